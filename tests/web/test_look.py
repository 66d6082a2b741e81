"""Check and streams over the API, with a real database as the source."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from sqlalchemy import Engine, make_url, text

from shared.web.app import create_app
from shared.wiring import Wiring
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
