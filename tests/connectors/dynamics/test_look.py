"""A look at a service says what is wrong with it, and what it offers."""

import sys
from subprocess import run
from typing import Any

import pytest

from shared.connectors.base import SourceStream
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.dynamics.stream_config import StreamConfig
from shared.connectors.registry import connector_type
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.api.server import Fault, says
from tests.connectors.dynamics.odata_server import ODataServer, refuses
from tests.connectors.dynamics.shop import (
    BERGEN,
    access,
    add_accounts,
    add_customers,
    central,
    dataverse,
    found,
)

DYNAMICS = connector_type("dynamics")


def check(config: DynamicsConfig) -> list[tuple[str, str | None, str]]:
    failures = DYNAMICS.check(access(config))
    return [(one.stream, one.error.fault, str(one.error)) for one in failures]


def offered(config: DynamicsConfig) -> dict[str, SourceStream]:
    return {one.name: one for one in DYNAMICS.streams(access(config))}


def test_a_check_asks_for_one_record_of_each_stream(server: ODataServer) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, *range(1, 9))
    assert check(central(server)) == []
    assert server.names() == ["token", "$metadata", "companies", "customers"]
    assert server.asked[-1].headers["Prefer"] == "odata.maxpagesize=1"


def test_a_check_tells_of_each_stream_what_is_wrong(server: ODataServer) -> None:
    found(server)
    server.always["orderLines"] = refuses(403, "Authorization_RequestDenied")
    failures = check(
        central(
            server,
            {"entity": "customers"},
            {"entity": "missing"},
            {"entity": "orderLines", "sync_mode": "full_refresh"},
        )
    )
    assert [(name, fault) for name, fault, _ in failures] == [
        ("missing", "not_found"),
        ("orderLines", "permission"),
    ]


def test_a_check_looks_for_change_tracking(server: ODataServer) -> None:
    add_accounts(server, *range(1, 9))
    tracked = dataverse(server, {"entity": "accounts", "delta": True})
    assert check(tracked) == []
    server.is_tracking = False
    ((_, fault, sentence),) = check(tracked)
    assert fault == "settings"
    assert "turn on Track changes" in sentence


def test_a_check_looks_at_the_first_of_the_chosen_companies(server: ODataServer) -> None:
    found(server, "Oslo", "Bergen")
    assert check(central(server, companies=["Bergen"])) == []
    assert BERGEN in server.asked[-1].path


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [(says(401), PermanentError, "login"), (says(429), TransientError, "rate_limited")],
)
def test_what_keeps_every_stream_from_being_read_is_raised_at_once(
    server: ODataServer, fault: Fault, error: type[SynclineError], kind: str
) -> None:
    found(server)
    server.always["customers"] = server.always["orderLines"] = fault
    streams: list[dict[str, Any]] = [
        {"entity": "customers"},
        {"entity": "orderLines", "sync_mode": "full_refresh"},
    ]
    with pytest.raises(error) as failed:
        DYNAMICS.check(access(central(server, *streams)))
    assert failed.value.fault == kind
    assert "orderLines" not in server.names()


def test_every_entity_set_with_a_key_is_offered(server: ODataServer) -> None:
    streams = offered(central(server))
    assert list(streams) == ["accounts", "customers", "orderLines"]
    customers = streams["customers"]
    assert customers.primary_key == ("company_id", "id")
    assert customers.cursors == ("lastModifiedDateTime",)
    assert customers.settings == {"entity": "customers"}
    columns = {one.name: (one.type, one.is_nullable) for one in customers.columns}
    assert columns["id"] == ("Edm.Guid", False)
    assert columns["type"] == ("Edm.String", True)
    assert "picture" not in columns
    assert streams["orderLines"].primary_key == ("company_id", "documentId", "sequence")
    assert streams["orderLines"].settings == {"entity": "orderLines", "sync_mode": "full_refresh"}
    assert server.names() == ["token", "$metadata"]


def test_the_offered_settings_are_a_stream(server: ODataServer) -> None:
    streams = offered(dataverse(server))
    assert streams["accounts"].primary_key == ("accountid",)
    assert streams["accounts"].cursors == ("modifiedon", "createdon")
    assert streams["customers"].settings == {
        "entity": "customers",
        "cursor": "lastModifiedDateTime",
    }
    for one in streams.values():
        assert StreamConfig.model_validate(one.settings).entity == one.name


def test_a_look_imports_no_dlt(server: ODataServer) -> None:
    found(server)
    code = (
        "import sys; from shared.connectors.dynamics.look import check, offered_streams;"
        " from tests.connectors.dynamics.odata_server import ODataServer;"
        " from tests.connectors.dynamics.shop import access, central;"
        f" seen = access(central(ODataServer(port={server.port})));"
        " print(list(check(seen)), len(offered_streams(seen)), 'dlt' in sys.modules)"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 3 False"


def test_settings_alone_import_neither_an_http_client_nor_dlt() -> None:
    code = (
        "import sys; from shared.connectors.registry import connector_type;"
        " connector_type('dynamics').config_model.model_json_schema();"
        " print({'dlt', 'requests', 'defusedxml'} & set(sys.modules))"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
