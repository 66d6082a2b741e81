from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from shared.domain.access import Role
from shared.flow.manage import create_api_key
from tests.factories import Tenant
from tests.web.conftest import Caller


def test_a_call_without_a_key_is_refused_as_a_problem(stranger: Caller) -> None:
    answer = stranger.get("/api/v2/connectors")
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == "unauthenticated"
    assert "Bearer" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("change", ["x", "syn_", "syn_000000000000_" + "0" * 64, "ü"])
def test_a_key_that_is_not_ours_is_refused(alice: Caller, change: str) -> None:
    assert replace(alice, key=change).get("/api/v2/connectors").status_code == 401


def test_the_right_prefix_with_another_secret_is_refused(alice: Caller) -> None:
    other = alice.key[:-1] + ("0" if alice.key[-1] != "0" else "1")
    assert replace(alice, key=other).get("/api/v2/connectors").status_code == 401


def test_a_revoked_and_an_expired_key_are_refused_at_once(
    alice: Caller, engine: Engine, tenant: Tenant
) -> None:
    expired = create_api_key(
        engine,
        tenant.workspace_id,
        name="old",
        role=Role.ADMIN,
        expires_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    assert replace(alice, key=expired).get("/api/v2/connectors").status_code == 401
    assert alice.get("/api/v2/connectors").status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE api_key SET revoked_at = now()"))
    assert alice.get("/api/v2/connectors").status_code == 401


def test_the_secret_of_a_key_is_not_stored(alice: Caller, engine: Engine) -> None:
    secret = alice.key.rsplit("_", 1)[1]
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT k::text FROM api_key AS k")).scalars().all()
    assert all(secret not in row for row in stored)


def test_the_use_of_a_key_is_noted(alice: Caller, engine: Engine) -> None:
    alice.get("/api/v2/connectors")
    with engine.connect() as connection:
        used = connection.execute(text("SELECT last_used_at FROM api_key")).scalars().all()
    assert any(used)


def test_a_viewer_reads_and_changes_nothing(alice: Caller, bob: Caller) -> None:
    schedule = alice.new_schedule()
    assert bob.get(f"/api/v2/sync-schedules/{schedule['id']}").status_code == 200
    refused = [
        bob.post("/api/v2/connectors", {}),
        bob.post("/api/v2/sync-schedules", {}),
        bob.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger"),
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 403]


def test_the_things_of_another_workspace_are_not_there(
    alice: Caller, mallory: Caller, queue_client: object
) -> None:
    schedule = alice.new_schedule()
    run = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger").json
    for path in (
        f"/api/v2/connectors/{schedule['connector_id']}",
        f"/api/v2/sync-schedules/{schedule['id']}",
        f"/api/v2/sync-schedules/{schedule['id']}/history",
        f"/api/v2/runs/{run['id']}",
    ):
        assert mallory.get(path).status_code == 404, path
    assert mallory.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger").status_code == 404
    stolen = {
        "connector_id": schedule["connector_id"],
        "name": "mine",
        "frequency": "manual",
    }
    assert mallory.post("/api/v2/sync-schedules", stolen).status_code == 404
    assert mallory.get("/api/v2/connectors").json["items"] == []
    assert mallory.get("/api/v2/sync-schedules").json["items"] == []


def test_an_unknown_path_and_a_wrong_method_are_problems(alice: Caller) -> None:
    missing = alice.get("/api/v2/nothing")
    assert (missing.status_code, missing.mimetype) == (404, "application/problem+json")
    wrong = alice.post("/healthz")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["Allow"]


def test_answers_are_not_to_be_stored_or_sniffed(alice: Caller) -> None:
    headers = alice.get("/api/v2/connectors").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_health_is_open(stranger: Caller) -> None:
    assert stranger.get("/healthz").json == {"status": "ok"}
    assert stranger.get("/readyz").json == {"status": "ok", "last_tick_age_seconds": None}


def test_readiness_tells_that_the_database_is_away(stranger: Caller, app: Flask) -> None:
    engine = app.extensions["syncline"].engine
    engine.dispose()
    engine.url = engine.url.set(port=1)
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*_: object, **__: object) -> None:
            raise ConnectionRefusedError

        patch.setattr(engine.pool, "connect", refuse)
        answer = stranger.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "database_unavailable", "last_tick_age_seconds": None}
