"""Check and streams over the API, with a real database as the source."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import Engine, make_url, text

from shared.connectors import looking
from shared.flow import look as look_flow
from shared.flow.gate import Gate
from shared.web import look as look_routes
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.factories import Tenant
from tests.web.conftest import Caller


@pytest.fixture
def alice_at_home(alice: Caller, wiring: Wiring) -> Iterator[Caller]:
    """Return Alice in a deployment whose connectors may reach this machine."""
    networks = (ip_network("127.0.0.0/8"),)
    home = Wiring(replace(wiring.settings, allowed_networks=networks), service="api")
    yield replace(alice, client=create_app(home).test_client())
    home.close()


@pytest.fixture
def source_url(engine: Engine, database_url: str) -> Iterator[str]:
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA look CREATE TABLE shop (id int PRIMARY KEY)"))
    url = make_url(database_url).set(drivername="postgresql")
    yield url.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA look CASCADE"))


def _connector(caller: Caller, url: str, table: str = "shop") -> str:
    streams = [{"table": table, "schema": "look", "primary_key": ["id"]}]
    body = {"type": "database", "name": "Shop", "config": {"url": url, "streams": streams}}
    answer = caller.post("/api/v2/connectors", body)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def test_a_connector_that_works_is_ok_and_healthy(alice_at_home: Caller, source_url: str) -> None:
    connector = _connector(alice_at_home, source_url)
    answer = alice_at_home.post(f"{connector}/check")
    assert answer.status_code == 200
    assert answer.json["checked_at"]
    assert (answer.json["ok"], answer.json["findings"]) == (True, [])
    assert alice_at_home.get(connector).json["health"] == "healthy"


def test_what_is_wrong_is_named(alice_at_home: Caller, source_url: str) -> None:
    connector = _connector(alice_at_home, source_url, table="gone")
    answer = alice_at_home.post(f"{connector}/check").json
    (finding,) = answer["findings"]
    assert answer["ok"] is False
    assert (finding["stream"], finding["fault"]) == ("gone", "not_found")
    assert finding["is_transient"] is False
    shown = alice_at_home.get(connector).json
    assert (shown["health"], shown["health_reason"]) == ("unhealthy", finding["message"])


def test_a_source_that_may_not_be_reached_is_no_failure_of_ours(
    alice: Caller, source_url: str
) -> None:
    connector = _connector(alice, source_url)
    (finding,) = alice.post(f"{connector}/check").json["findings"]
    assert finding["fault"] == "address_not_allowed"
    answer = alice.get(f"{connector}/streams")
    assert (answer.status_code, answer.json["fault"]) == (424, "address_not_allowed")
    assert answer.json["code"] == "configuration"


def test_streams_are_listed_with_what_selects_them(alice_at_home: Caller, source_url: str) -> None:
    connector = _connector(alice_at_home, source_url)
    items = alice_at_home.get(f"{connector}/streams").json["items"]
    (shop,) = [item for item in items if item["name"] == "look.shop"]
    assert shop == {
        "name": "look.shop",
        "kind": "table",
        "primary_key": ["id"],
        "cursors": ["id"],
        "columns": [{"name": "id", "type": "INTEGER", "nullable": False}],
        "settings": {"table": "shop", "schema": "look", "primary_key": ["id"]},
    }


def test_a_look_is_for_editors_of_the_workspace(
    alice: Caller, bob: Caller, mallory: Caller
) -> None:
    connector = f"/api/v2/connectors/{alice.new_connector()}"
    assert bob.post(f"{connector}/check").status_code == 403
    assert bob.get(f"{connector}/streams").status_code == 403
    assert mallory.post(f"{connector}/check").status_code == 404
    assert mallory.get(f"{connector}/streams").status_code == 404


def test_too_many_looks_at_once_are_refused_for_a_while(
    alice: Caller, mallory: Caller, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector, other = alice.new_connector(), mallory.new_connector()
    gate = Gate(at_once=3, of_one=1, what="looks", pause=timedelta(seconds=7))
    monkeypatch.setattr(look_routes, "_gate", gate)
    with gate.passed(tenant.workspace_id):
        for answer in (
            alice.post(f"/api/v2/connectors/{connector}/check"),
            alice.get(f"/api/v2/connectors/{connector}/streams"),
        ):
            assert (answer.status_code, answer.json["code"]) == (429, "busy")
            assert answer.headers["Retry-After"] == "7"
        assert mallory.post(f"/api/v2/connectors/{other}/check").status_code == 200
    assert alice.post(f"/api/v2/connectors/{connector}/check").status_code == 200


def test_more_streams_than_are_told_are_told_as_such(
    alice_at_home: Caller, source_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = _connector(alice_at_home, source_url)
    whole = alice_at_home.get(f"{connector}/streams").json
    assert whole["truncated"] is False
    monkeypatch.setattr(looking, "MOST_STREAMS", 2)
    part = alice_at_home.get(f"{connector}/streams").json
    assert (part["items"], part["truncated"]) == (whole["items"][:2], True)


def test_streams_that_there_was_no_time_for_are_named_and_it_is_not_ok(
    alice_at_home: Caller, source_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [{"table": "shop", "schema": "look"}, {"table": "workspace", "schema": "public"}]
    body = {"type": "database", "name": "Shop", "config": {"url": source_url, "streams": streams}}
    connector = alice_at_home.post("/api/v2/connectors", body).headers["Location"]
    monkeypatch.setattr(look_flow, "_BEGINNING", 0)
    shown = alice_at_home.post(f"{connector}/check").json
    assert (shown["ok"], shown["findings"], shown["not_looked_at"]) == (False, [], ["workspace"])
