"""PATCH of a connector: what it keeps, and what it makes of streams, secrets and health."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.flow import connectors as connectors_flow
from shared.flow.sources import secrets_of
from shared.gcp.sealing import seal
from shared.store.connectors import replace_credential
from shared.store.sources import find_source
from shared.wiring import Wiring
from tests.factories import CONFIG
from tests.web.conftest import Caller

CANARY = "canary-hunter2"


def body(**values: object) -> dict:
    return {"type": "database", "name": "Flights", "config": CONFIG, **values}


def _sealed(caller: Caller, **config: object) -> str:
    """Return the path of a connector with a password."""
    wanted = {**CONFIG, "password": CANARY, **config}
    answer = caller.post("/api/v2/connectors", body(config=wanted))
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


MORE_STREAMS = {**CONFIG, "streams": [{"table": "crew", "primary_key": ["id"]}]}
ELSEWHERE = {**CONFIG, "url": "postgresql://reader@db.mallory.example/source"}


def test_a_connector_gets_another_name_and_other_streams_and_keeps_its_password(
    alice: Caller, engine: Engine, wiring: Wiring
) -> None:
    connector = _sealed(alice)
    changed = alice.patch(connector, {"name": "Crew", "config": MORE_STREAMS})
    assert changed.status_code == 200, changed.text
    assert changed.json["name"] == "Crew"
    assert changed.json["config"]["streams"][0]["table"] == "crew"
    assert changed.json["secrets_set"] == ["/password"]
    assert alice.get(connector).json == changed.json
    assert _password(engine, wiring, changed.json["id"]) == CANARY


def test_a_config_that_leads_elsewhere_needs_its_secrets_again(
    alice: Caller, engine: Engine, wiring: Wiring
) -> None:
    connector = _sealed(alice)
    refused = alice.patch(connector, {"config": ELSEWHERE})
    assert refused.status_code == 422
    assert refused.json["errors"][0]["pointer"] == "/config/password"
    assert refused.json["errors"][0]["code"] == "secret_needed"
    taken = alice.patch(connector, {"config": {**ELSEWHERE, "password": "another"}})
    assert taken.status_code == 200
    assert _password(engine, wiring, taken.json["id"]) == "another"
    without = alice.patch(connector, {"config": {**CONFIG, "password": None}})
    assert (without.status_code, without.json["secrets_set"]) == (200, [])
    assert _password(engine, wiring, taken.json["id"]) is None


def test_a_change_keeps_the_rules_of_a_creation(
    alice: Caller, bob: Caller, mallory: Caller
) -> None:
    connector = _sealed(alice)
    alice.new_connector("Trains")
    taken = alice.patch(connector, {"name": "TRAINS"})
    assert (taken.status_code, taken.json["code"]) == (409, "name_taken")
    unfit = alice.patch(connector, {"config": {**CONFIG, "streams": []}})
    assert unfit.json["errors"][0]["pointer"] == "/config/streams"
    assert alice.patch(connector, {"type": "api"}).status_code == 422
    assert alice.patch(connector, {}).status_code == 200
    assert bob.patch(connector, {"name": "Bob's"}).status_code == 403
    assert mallory.patch(connector, {"name": "Mallory's"}).status_code == 404
    assert mallory.patch(connector, {"config": CONFIG}).status_code == 404


def test_a_change_of_the_config_forgets_what_was_known_of_its_health(
    alice: Caller, engine: Engine
) -> None:
    connector = _sealed(alice)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_connector SET health = 'unhealthy', health_reason = 'Gone.'")
        )
    assert alice.patch(connector, {"name": "Renamed"}).json["health"] == "unhealthy"
    changed = alice.patch(connector, {"config": MORE_STREAMS}).json
    assert (changed["health"], changed["health_reason"]) == ("unknown", None)


def _password(engine: Engine, wiring: Wiring, connector: str) -> str | None:
    with engine.connect() as connection:
        query = text("SELECT workspace_id FROM workspace_connector WHERE public_id = :id")
        workspace = connection.execute(query, {"id": connector}).scalar_one()
        row = find_source(connection, workspace, connector)
    assert row is not None
    return secrets_of(row, wiring.key).get("/password")


def _watermark(caller: Caller, connector: str, value: str = "7") -> None:
    assert caller.put(f"{connector}/watermarks/flight", {"value": value}).status_code == 200


def _marks(caller: Caller, connector: str) -> list[str]:
    return [item["stream"] for item in caller.get(f"{connector}/watermarks").json["items"]]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, ["flight"]),
        ({"url": "postgresql://reader@127.0.0.1:1/elsewhere"}, []),
        ({"streams": [{**CONFIG["streams"][0], "schema": "archive"}]}, []),
        ({"streams": [*CONFIG["streams"], {"table": "crew", "primary_key": ["id"]}]}, ["flight"]),
    ],
)
def test_a_stream_that_reads_something_else_from_now_on_is_read_anew(
    alice: Caller, change: dict, kept: list[str]
) -> None:
    connector = alice.post("/api/v2/connectors", body()).headers["Location"]
    stored = alice.get(connector).json["config"]
    _watermark(alice, connector)
    assert alice.patch(connector, {"config": {**stored, **change}}).status_code == 200
    assert _marks(alice, connector) == kept


def test_a_secret_that_was_stored_by_its_name_is_kept(
    alice: Caller, engine: Engine, wiring: Wiring
) -> None:
    connector = _sealed(alice)
    public_id = UUID(connector.rpartition("/")[2])
    with engine.begin() as connection:
        query = text("SELECT workspace_id, id FROM workspace_connector WHERE public_id = :id")
        workspace, internal = connection.execute(query, {"id": public_id}).one()
        assert wiring.key is not None
        old = seal(wiring.key, {"password": CANARY}, workspace, public_id)
        replace_credential(connection, workspace, internal, **asdict(old))
    changed = alice.patch(connector, {"config": MORE_STREAMS})
    assert changed.status_code == 200, changed.text
    assert _password(engine, wiring, str(public_id)) == CANARY


def test_two_changes_at_once_do_not_write_over_each_other(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = _sealed(alice)
    original = connectors_flow._sealed

    def rotate_first(*arguments: Any) -> Any:
        monkeypatch.setattr(connectors_flow, "_sealed", original)
        rotated = alice.patch(connector, {"config": {**CONFIG, "password": "rotated"}})
        assert rotated.status_code == 200
        return original(*arguments)

    monkeypatch.setattr(connectors_flow, "_sealed", rotate_first)
    late = alice.patch(connector, {"config": {**MORE_STREAMS, "password": "late"}})
    assert (late.status_code, late.json["code"]) == (409, "changed_meanwhile")


def test_other_streams_leave_a_password_alone_that_changes_at_the_same_time(
    alice: Caller, engine: Engine, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = _sealed(alice)
    original = connectors_flow.require_referred

    def rotate_first(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(connectors_flow, "require_referred", original)
        rotated = alice.patch(connector, {"config": {**CONFIG, "password": "rotated"}})
        assert rotated.status_code == 200
        return original(*arguments, **named)

    monkeypatch.setattr(connectors_flow, "require_referred", rotate_first)
    late = alice.patch(connector, {"config": MORE_STREAMS})
    assert late.status_code == 200
    assert late.json["config"]["streams"][0]["table"] == "crew"
    assert _password(engine, wiring, late.json["id"]) == "rotated"


def test_the_state_of_a_stream_that_is_not_selected_any_more_is_forgotten(
    alice: Caller, engine: Engine
) -> None:
    connector = alice.post("/api/v2/connectors", body()).headers["Location"]
    stored = alice.get(connector).json["config"]
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO connector_stream (connector_id, stream, workspace_id, status, run_id)"
                " SELECT id, stream, workspace_id, 'failed', NULL FROM workspace_connector,"
                " unnest(ARRAY['flight', 'crew']) AS s (stream) WHERE public_id = :id"
            ),
            {"id": connector.rpartition("/")[2]},
        )
    crew = {"table": "crew", "primary_key": ["id"]}
    alice.patch(connector, {"config": {**stored, "streams": [*CONFIG["streams"], crew]}})
    assert _stream_states(engine) == ["crew", "flight"]
    assert alice.patch(connector, {"config": stored}).status_code == 200
    assert _stream_states(engine) == ["flight"]


def _stream_states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        query = text("SELECT stream FROM connector_stream ORDER BY stream")
        return list(connection.execute(query).scalars())
