"""A look at an API says what is wrong with it, and what its streams show."""

import sys
from subprocess import run
from typing import Any

import pytest

from shared.connectors.base import SourceStream
from shared.connectors.registry import connector_type
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.api.readings import PAGINATIONS, SINCE, access, api, stream
from tests.connectors.api.server import RestServer, says
from tests.connectors.api.test_parents import LINES

API = connector_type("api")


def check(server: RestServer, *streams: Any, **settings: Any) -> list[tuple[str, str | None, str]]:
    failures = API.check(access(api(server, *streams, **settings)))
    return [(one.stream, one.error.fault, str(one.error)) for one in failures]


def offered(server: RestServer, *streams: Any) -> list[SourceStream]:
    return list(API.streams(access(api(server, *streams))))


@pytest.mark.parametrize("path", PAGINATIONS)
def test_a_check_asks_for_one_page_of_one_record(server: RestServer, path: str) -> None:
    server.records = [{"id": number} for number in range(8)]
    assert check(server, stream(path)) == []
    assert len(server.asked) == 1
    sizes = {**server.asked[0].query, **(server.asked[0].body or {}).get("paging", {})}
    asked = [int(sizes[name]) for name in ("size", "per_page", "limit") if name in sizes]
    assert asked == ([] if path == "/plain" else [1])


def test_a_check_tells_of_each_stream_what_is_wrong(server: RestServer) -> None:
    server.records = [{"id": 1, "changed": 7}]
    server.always["/pages"] = says(404)
    server.always["/offset"] = says(403)
    failures = check(
        server,
        stream(),
        stream("/pages", name="missing"),
        stream("/offset", name="forbidden"),
        stream("/wrapped", name="elsewhere", record_path="items"),
        stream("/wrapped", name="keyless", primary_key=["key"]),
        stream("/wrapped", name="other", cursor={**SINCE, "field": "edited"}),
        stream("/wrapped", name="format", cursor=SINCE),
    )
    assert [(name, fault) for name, fault, _ in failures] == [
        ("missing", "not_found"),
        ("forbidden", "permission"),
        ("elsewhere", "schema"),
        ("keyless", "schema"),
        ("other", "schema"),
        ("format", "schema"),
    ]
    sentences = [sentence for *_, sentence in failures]
    assert "correct record_path" in sentences[2]
    assert "correct primary_key" in sentences[3]
    assert sentences[4] == (
        "No record of other's first page has edited: correct the cursor's field."
    )
    assert "has no iso8601 in changed" in sentences[5]


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [(says(401), PermanentError, "login"), (says(429), TransientError, "rate_limited")],
)
def test_what_keeps_every_stream_from_being_read_is_raised_at_once(
    server: RestServer, fault: Any, error: type[SynclineError], kind: str
) -> None:
    server.always["/wrapped"] = server.always["/plain"] = fault
    with pytest.raises(error) as failed:
        API.check(access(api(server, stream(), stream("/plain", name="plain"))))
    assert failed.value.fault == kind
    assert set(server.paths()) == {"/wrapped"}


def test_a_check_of_children_asks_for_those_of_one_parent(server: RestServer) -> None:
    server.records = [{"id": 1, "shop": {}}, {"id": 2, "shop": {}}]
    server.lines = {"1": [{"number": 1}]}
    assert check(server, stream(), LINES) == []
    assert server.paths() == ["/wrapped", "/orders/1/lines"]
    server.records = []
    assert check(server, stream(), LINES) == []


def test_the_streams_show_fields_keys_and_cursors(server: RestServer) -> None:
    server.records = [
        {
            "name": name,
            "shop_id": 1,
            "id": number,
            "updated_at": "2024-01-01T00:00:00Z",
            "created_at": 1_700_000_000,
            "price": 1.5 if number else None,
            "tags": [],
        }
        for number, name in enumerate(("a", "b", "b"))
    ]
    (one,) = offered(server, stream(primary_key=["shop_id"]))
    assert (one.name, one.kind) == ("orders", "endpoint")
    assert one.primary_key == ("id",)
    assert one.cursors == ("updated_at", "created_at")
    assert [(column.name, column.type, column.is_nullable) for column in one.columns] == [
        ("name", "string", False),
        ("shop_id", "integer", False),
        ("id", "integer", False),
        ("updated_at", "string", False),
        ("created_at", "integer", False),
        ("price", "number", True),
        ("tags", "array", False),
    ]
    assert one.settings["primary_key"] == ["id"]
    API.config_model.model_validate({"base_url": server.url, "streams": [one.settings]})


def test_a_configured_key_that_tells_records_apart_is_kept(server: RestServer) -> None:
    server.records = [{"id": 1, "code": "a"}, {"id": 2, "code": "b"}]
    (one,) = offered(server, stream(primary_key=["code"]))
    assert one.primary_key == ("code",)


def test_streams_that_cannot_be_read_are_left_out_unless_none_can(server: RestServer) -> None:
    server.always["/pages"] = says(404)
    found = offered(server, stream(), stream("/pages", name="missing"))
    assert [one.name for one in found] == ["orders"]
    with pytest.raises(PermanentError, match="nothing at this address"):
        offered(server, stream("/pages"))


def test_a_look_imports_no_dlt(server: RestServer) -> None:
    server.records = [{"id": 1}]
    code = (
        "import sys; from shared.connectors.api.look import check;"
        " from tests.connectors.api.readings import ApiConfig, access, stream;"
        f" given = {{'base_url': {server.url!r}, 'streams': [stream()]}};"
        " config = ApiConfig.model_validate(given);"
        " print(list(check(access(config))), 'dlt' in sys.modules)"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
