"""What holds for every route: sizes, types, methods, pages, names of requests, headers."""

import io
import re
from datetime import datetime
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from shared.domain.api_keys import ApiKey
from shared.web.app import create_app
from shared.web.intake import MAX_BODY_BYTES
from shared.wiring import Wiring
from tests.factories import CONFIG
from tests.settings import make_settings
from tests.web.conftest import Caller

CONNECTORS = "/api/v2/connectors"


def send(caller: Caller, path: str = CONNECTORS, **options: object) -> TestResponse:
    headers = {"Authorization": f"Bearer {caller.key}"} | options.pop("headers", {})
    return caller.client.post(path, headers=headers, **options)


def test_a_body_above_a_mebibyte_is_refused_before_it_is_read(alice: Caller) -> None:
    answer = send(alice, data=b"{" + b" " * (1 << 20), content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")
    assert answer.json["code"] == "content_too_large"


@pytest.mark.parametrize(
    ("size", "status"), [(2, 422), (MAX_BODY_BYTES, 422), (MAX_BODY_BYTES + 1, 413), (3 << 20, 413)]
)
def test_a_body_that_declares_no_length_is_counted_as_it_comes(
    alice: Caller, size: int, status: int
) -> None:
    answer = send(
        alice,
        input_stream=io.BytesIO(b"{}" + b" " * (size - 2)),
        headers={"Transfer-Encoding": "chunked"},
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_a_message_of_a_source_is_counted_alike(stranger: Caller) -> None:
    for size, status in ((2, 401), (MAX_BODY_BYTES + 1, 413)):
        answer = stranger.client.post(
            f"/hooks/{uuid4()}",
            input_stream=io.BytesIO(b" " * size),
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert answer.status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_called_something_else_is_refused(alice: Caller, kind: str) -> None:
    answer = send(alice, data=b"{}", content_type=kind)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_body_that_a_route_does_not_take_is_refused(alice: Caller, queue_client: object) -> None:
    path = f"/api/v2/sync-schedules/{alice.new_schedule()['id']}/trigger"
    refused = send(alice, path, json={"force": True})
    assert refused.status_code == 422
    assert refused.json["errors"][0] == {
        "pointer": "/force",
        "code": "extra_forbidden",
        "reason": "it is not known here",
        "hint": "Leave it out.",
    }
    assert send(alice, path).status_code == 202


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("colour=red", "/colour", "extra_forbidden"),
        ("limit=1&limit=2", "/limit", "parameter_twice"),
        ("limit=0", "/limit", "limit_range"),
        ("cursor=x", "/cursor", "cursor_form"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name_and_rule(
    alice: Caller, query: str, pointer: str, code: str
) -> None:
    answer = alice.get(f"{CONNECTORS}?{query}")
    assert answer.status_code == 422
    [error] = answer.json["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_a_parameter_is_refused_where_a_route_takes_none(alice: Caller, method: str) -> None:
    path = f"{CONNECTORS}/{alice.new_connector()}?force=true"
    headers = {"Authorization": f"Bearer {alice.key}"}
    answer = alice.client.open(path, method=method, json={"name": "x"}, headers=headers)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/force")
    assert alice.get(path.partition("?")[0]).json["name"] == "Flights"


def test_a_very_long_address_is_answered_as_any_other(alice: Caller) -> None:
    far, long = (
        alice.get(f"/api/v2/{'x' * 50_000}"),
        alice.get(f"{CONNECTORS}?cursor={'A' * 50_000}"),
    )
    assert (far.status_code, far.json["code"]) == (404, "not_found")
    assert (long.status_code, long.json["errors"][0]["code"]) == (422, "cursor_form")
    assert len(far.text) + len(long.text) < 2_000


def test_what_is_not_text_in_a_body_is_not_taken_for_it(alice: Caller) -> None:
    schedule = alice.new_schedule()
    body = {"is_enabled": "true", "spread_seconds": "5", "max_attempts": 3.0}
    answer = alice.patch(f"/api/v2/sync-schedules/{schedule['id']}", body)
    found = {one["pointer"] for one in answer.json["errors"]}
    assert found == {"/is_enabled", "/spread_seconds", "/max_attempts"}


@pytest.mark.parametrize("path", ["/", "/api/v2/nothing", "/api/v2//connectors", "/healthz/"])
def test_a_path_that_is_not_there_is_a_problem_that_says_where_to_look(
    alice: Caller, path: str
) -> None:
    answer = alice.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert "manually" not in answer.text
    assert "/api/v2/openapi.json" in answer.json["detail"]


def test_a_method_that_is_not_there_is_a_problem_that_names_the_others(alice: Caller) -> None:
    answer = alice.put(CONNECTORS, {})
    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_options_names_the_methods_and_says_nothing_more(stranger: Caller) -> None:
    answer = stranger.client.options(CONNECTORS)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "POST" in answer.headers["Allow"]
    assert "Content-Type" not in answer.headers


def test_head_answers_as_get_without_the_body(alice: Caller) -> None:
    headers = {"Authorization": f"Bearer {alice.key}"}
    head, full = alice.client.head(CONNECTORS, headers=headers), alice.get(CONNECTORS)
    assert (head.status_code, head.data) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert head.headers[name] == full.headers[name]
    assert alice.client.head(CONNECTORS).status_code == 401


def test_a_page_links_to_the_next_one_and_the_last_to_none(alice: Caller) -> None:
    names = [f"c{number}" for number in range(3)]
    for name in names:
        alice.post(CONNECTORS, {"type": "database", "name": name, "config": CONFIG})
    found, path = [], f"{CONNECTORS}?limit=2"
    while path:
        answer = alice.get(path)
        found += [one["name"] for one in answer.json["items"]]
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        path = link[1] if link else ""
    assert found == names


def test_a_request_keeps_the_name_that_its_caller_gave_it(alice: Caller) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    headers = {"X-Request-Id": "order-17", "traceparent": trace}
    answer = send(alice, json={}, headers=headers)
    assert answer.headers["X-Request-Id"] == answer.json["request_id"] == "order-17"
    assert answer.headers["traceparent"] == trace


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "<script>"])
def test_a_request_without_a_proper_name_gets_one(alice: Caller, name: str) -> None:
    answer = send(alice, json={}, headers={"X-Request-Id": name, "traceparent": "x"})
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["X-Request-Id"])
    assert "traceparent" not in answer.headers


@pytest.mark.parametrize("path", ["/healthz", CONNECTORS, "/nothing"])
def test_every_answer_tells_browsers_to_do_nothing_with_it(stranger: Caller, path: str) -> None:
    headers = stranger.get(path).headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert "max-age" in headers["Strict-Transport-Security"]


def test_instants_are_rfc_3339_in_utc(alice: Caller) -> None:
    schedule = alice.new_schedule()
    for name in ("created_at", "updated_at", "next_scheduled_at"):
        assert schedule[name].endswith("Z")
        assert datetime.fromisoformat(schedule[name]).utcoffset() is not None


def test_triggers_above_the_workspaces_rate_are_told_when_to_come_back(
    alice: Caller, queue_client: object, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET manual_triggers_per_minute = 2"))
    paths = [
        f"/api/v2/sync-schedules/{alice.new_schedule(name=f'n{n}')['id']}/trigger" for n in range(3)
    ]
    assert [alice.post(path).status_code for path in paths[:2]] == [202, 202]
    # One that starts nothing spends nothing, and is told what it is told.
    assert alice.post(paths[0]).json["code"] == "run_active"

    refused = alice.post(paths[2])

    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_a_nul_in_a_path_leads_nowhere(alice: Caller) -> None:
    path = f"{CONNECTORS}/{alice.new_connector()}/watermarks/a%00b"
    assert alice.put(path, {"value": "1"}).status_code == 404


def test_while_the_database_is_away_callers_are_told_to_come_back() -> None:
    wiring = Wiring(make_settings(), service="api")  # nobody listens at its address
    client = create_app(wiring).test_client()
    key = ApiKey("0" * 12, "0" * 64).text
    answer = client.get(CONNECTORS, headers={"Authorization": f"Bearer {key}"})
    wiring.close()
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("sqlstate", "code"),
    [
        ("55P03", "database_busy"),
        ("40P01", "database_busy"),
        ("40001", "database_busy"),
        ("57014", "database_busy"),
        ("53300", "database_unavailable"),
        ("57P01", "database_unavailable"),
        ("08006", "database_unavailable"),
    ],
)
def test_trouble_of_the_database_that_passes_is_told_with_when_to_ask_again(
    alice: Caller,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    sqlstate: str,
    code: str,
) -> None:
    def fail(*_: object, **__: object) -> object:
        raising = f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$"
        with engine.begin() as connection:
            connection.execute(text(raising))

    monkeypatch.setattr("shared.web.connectors.list_connectors", fail)
    answer = alice.get(CONNECTORS)
    assert (answer.status_code, answer.json["code"]) == (503, code)
    assert int(answer.headers["Retry-After"]) >= 1
    [told] = [one for one in caplog.records if "sqlstate" in getattr(one, "syncline_fields", {})]
    assert (told.levelname, told.syncline_fields["sqlstate"]) == ("WARNING", sqlstate)


def test_a_lock_that_does_not_come_is_no_failure_of_ours(
    alice: Caller, engine: Engine, wiring: Wiring
) -> None:
    schedule = alice.new_schedule()["id"]
    with wiring.engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        driver.autocommit = True
        connection.exec_driver_sql("SET lock_timeout = 100")
        driver.autocommit = False
    with engine.begin() as holding:
        holding.execute(text("SELECT FROM workspace FOR UPDATE"))
        answer = alice.post(f"/api/v2/sync-schedules/{schedule}/pause")
    assert (answer.status_code, answer.json["code"]) == (503, "database_busy")
