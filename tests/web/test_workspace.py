"""The settings and the health of a workspace, and the metrics of the deployment."""

from dataclasses import replace
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.factories import Tenant
from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")
TOKEN = "a-token-of-the-operator"


def test_the_settings_are_shown_with_their_limits(bob: Caller, tenant: Tenant) -> None:
    shown = bob.get("/api/v2/workspace").json
    assert (shown["timezone"], shown["retention_days"]) == ("Europe/Oslo", 90)
    assert shown["limits"]["max_concurrent_syncs"] == {"least": 1, "most": 100}


def test_an_admin_changes_what_the_body_names_and_nothing_else(alice: Caller) -> None:
    before = alice.get("/api/v2/workspace").json
    changes = {"name": "Acme", "timezone": "UTC", "max_concurrent_syncs": 7}

    after = alice.patch("/api/v2/workspace", changes)

    assert after.status_code == 200
    newer = {"version": 2, "updated_at": after.json["updated_at"]}
    assert after.json == {**before, **changes, **newer}
    schedule = alice.new_schedule()
    assert schedule["timezone"] == "UTC"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"max_concurrent_syncs": 0}, "max_concurrent_syncs_range"),
        ({"max_concurrent_syncs": 101}, "max_concurrent_syncs_range"),
        ({"minimum_interval_seconds": 59}, "minimum_interval_seconds_range"),
        ({"manual_triggers_per_minute": 10_001}, "manual_triggers_per_minute_range"),
        ({"retention_days": 0}, "retention_days_range"),
        ({"slug": "other"}, "extra_forbidden"),
        ({"name": " "}, "string_too_short"),
        ({"max_concurrent_syncs": None}, "int_type"),
    ],
)
def test_what_is_beyond_the_limits_is_refused(alice: Caller, change: dict, code: str) -> None:
    answer = alice.patch("/api/v2/workspace", change)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)


def test_an_unknown_zone_is_refused(alice: Caller) -> None:
    assert alice.patch("/api/v2/workspace", {"timezone": "Mars/Base"}).status_code == 422


def test_who_may_change_a_workspace(alice: Caller, bob: Caller, mallory: Caller) -> None:
    assert bob.patch("/api/v2/workspace", {"name": "Bob's"}).status_code == 403
    mallory.patch("/api/v2/workspace", {"name": "Mallory's"})
    assert "Mallory" not in alice.get("/api/v2/workspace").text


def test_health_tells_what_is_late_stuck_and_unhealthy(alice: Caller, engine: Engine) -> None:
    schedule = alice.new_schedule()
    connector = schedule["connector_id"]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tick (as_of, completed_at) VALUES (now(), now())"))
        connection.execute(
            text("UPDATE workspace_connector SET health = 'unhealthy', health_reason = 'No login.'")
        )
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id,"
                " trigger_type, idempotency_key, period_at, not_before_at, status, started_at,"
                " leased_at, lease_expires_at, admitted_at, metadata)"
                " SELECT workspace_id, id, 'cloud_task', 'k' || n, now(),"
                " now() - n * interval '1 minute', CASE n WHEN 10 THEN 'in_progress' ELSE"
                " 'scheduled' END, CASE n WHEN 10 THEN now() END, now(),"
                " CASE n WHEN 10 THEN now() - interval '10 minutes' END,"
                " CASE n WHEN 10 THEN now() END, '{\"drift_ms\": 40}'"
                " FROM workspace_connector CROSS JOIN generate_series(10, 12) AS n"
            )
        )

    shown = alice.get("/api/v2/health").json

    assert shown["last_tick_at"] is not None
    assert (shown["backlog"], shown["in_progress"], shown["stuck"]) == (2, 1, 1)
    assert shown["oldest_overdue_at"] < shown["as_of"]
    assert shown["last_hour"] == {"started": 3, "median_drift_ms": 40, "max_drift_ms": 40}
    [named] = shown["unhealthy_connectors"]["some"]
    assert (named["connector_id"], named["reason"]) == (connector, "No login.")


def test_health_tells_what_was_reported_and_not_read(
    alice: Caller, mallory: Caller, engine: Engine
) -> None:
    for name in ("Flights", "Airports"):
        alice.new_schedule(name=name, frequency="realtime", preferred_time=None)
    # What nobody hears is no longer waited for.
    unheard = alice.new_schedule(name="Hotels")["connector_id"]
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO unread_change"
                " (connector_id, workspace_id, reported_at, unread_since, look_at)"
                " SELECT id, workspace_id, now(), now() - id * interval '1 hour', now()"
                " FROM workspace_connector"
            )
        )
        query = text(
            "SELECT min(u.unread_since) FROM unread_change AS u"
            " JOIN workspace_connector AS c ON c.id = u.connector_id WHERE c.public_id <> :c"
        )
        oldest = connection.execute(query, {"c": unheard}).scalar_one()

    shown = alice.get("/api/v2/health").json

    assert shown["unread_changes"] == 2
    assert datetime.fromisoformat(shown["oldest_unread_at"]) == oldest
    nothing = mallory.get("/api/v2/health").json
    assert (nothing["unread_changes"], nothing["oldest_unread_at"]) == (0, None)


def test_the_health_of_a_workspace_says_nothing_of_another(
    alice: Caller, mallory: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger")
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace_connector SET health = 'unhealthy'"))

    shown = mallory.get("/api/v2/health").json

    assert (shown["backlog"], shown["unhealthy_connectors"]["count"]) == (0, 0)
    assert alice.get("/api/v2/health").json["unhealthy_connectors"]["count"] == 1


@pytest.fixture
def watched(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Let the deployment have a token for metrics."""
    parts = app.extensions["syncline"]
    monkeypatch.setattr(parts, "settings", replace(parts.settings, metrics_token=TOKEN))
    return app


def test_metrics_count_over_all_workspaces_and_name_none(
    alice: Caller, mallory: Caller, watched: Flask, engine: Engine
) -> None:
    for caller in (alice, mallory):
        schedule = caller.new_schedule()
        caller.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO tick (as_of, completed_at, duration_ms, drift_ms, claimed)"
                " VALUES (now(), now(), 250, 1500, 7)"
            )
        )
        names = connection.execute(text("SELECT slug FROM workspace")).scalars().all()

    answer = replace(alice, key=TOKEN).get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    assert "syncline_runs_overdue 2.0" in lines
    assert "syncline_last_tick_duration_seconds 0.25" in lines
    assert 'syncline_hour_runs{act="claimed"} 7.0' in lines
    assert 'syncline_recent_runs{status="scheduled"} 2.0' in lines
    assert "# TYPE syncline_ticks_begun_total counter" in lines
    assert not any(name in answer.text for name in names)


def test_scrapes_within_seconds_share_one_look(
    alice: Caller, watched: Flask, engine: Engine
) -> None:
    operator = replace(alice, key=TOKEN)
    before = operator.get("/metrics").text
    alice.new_schedule()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tick (as_of, completed_at) VALUES (now(), now())"))
    assert operator.get("/metrics").text == before


def test_nobody_but_the_operator_reads_metrics(
    alice: Caller, stranger: Caller, watched: Flask
) -> None:
    for caller in (alice, stranger, replace(alice, key=f"{TOKEN}x"), replace(alice, key="é")):
        assert caller.get("/metrics").status_code == 401


def test_without_a_token_of_the_deployment_nobody_reads_metrics(alice: Caller) -> None:
    for key in (alice.key, "None", ""):
        assert replace(alice, key=key).get("/metrics").status_code == 401


def test_readiness_tells_of_the_last_tick_and_of_a_schema_that_is_too_old(
    stranger: Caller, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO tick (as_of, completed_at)"
                " VALUES (now() - interval '2 hours', now() - interval '2 hours')"
            )
        )
    ready = stranger.get("/readyz")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer = stranger.get("/readyz")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    older = stranger.get("/readyz")

    assert (ready.status_code, ready.json["status"]) == (200, "ok")
    assert 7_200 <= ready.json["last_tick_age_seconds"] < 7_300
    assert newer.status_code == 200
    assert (older.status_code, older.json["status"]) == (503, "schema_outdated")
