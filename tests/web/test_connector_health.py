"""What the API tells of one connector's health."""

from datetime import datetime
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tests.web.conftest import Caller

CONNECTORS = "/api/v2/connectors"


def health_of(caller: Caller, connector: str) -> dict:
    answer = caller.get(f"{CONNECTORS}/{connector}/health")
    assert answer.status_code == 200, answer.text
    return answer.json


def end_run(engine: Engine, *, status: str, reason: str | None, error: str | None) -> None:
    """End every run of the database, as one that read something."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = :status, reason = :reason,"
                " error = :error, started_at = created_at, completed_at = created_at,"
                " duration_ms = 0, cloud_task_id = NULL"
            ),
            {"status": status, "reason": reason, "error": error},
        )


def note_streams(engine: Engine, *, failed: int) -> None:
    """Write one stream that is well, and some that failed."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO connector_stream (connector_id, stream, workspace_id, status, error,"
                " fault, synced_at) SELECT c.id, 's' || lpad(n::text, 3, '0'), c.workspace_id,"
                " CASE n WHEN 0 THEN 'success' ELSE 'failed' END,"
                " CASE n WHEN 0 THEN NULL ELSE 'The table is gone.' END,"
                " CASE n WHEN 0 THEN NULL ELSE 'not_found' END,"
                " CASE n WHEN 0 THEN now() END"
                " FROM workspace_connector AS c, generate_series(0, :failed) AS n"
            ),
            {"failed": failed},
        )


def test_of_a_new_connector_nothing_is_known_but_when_it_is_looked_at(alice: Caller) -> None:
    connector = alice.new_connector()
    shown = health_of(alice, connector)
    made_at = alice.get(f"{CONNECTORS}/{connector}").json["created_at"]
    assert (shown["connector_id"], shown["status"]) == (connector, "connected")
    assert (shown["health"], shown["reason"], shown["since"]) == ("unknown", None, made_at)
    assert shown["next_look_at"] > made_at
    for name in ("last_look_at", "authorized_at", "access_ends_at", "last_run", "last_synced_at"):
        assert shown[name] is None, name
    assert (shown["failed_streams"], shown["failed_streams_are_more"]) == ([], False)


def test_a_look_tells_why_and_since_when(alice: Caller) -> None:
    connector = alice.new_connector()
    before = health_of(alice, connector)
    (finding,) = alice.post(f"{CONNECTORS}/{connector}/check").json["findings"]

    first = health_of(alice, connector)
    alice.post(f"{CONNECTORS}/{connector}/check")
    second = health_of(alice, connector)

    assert (first["health"], first["reason"]) == ("unhealthy", finding["message"])
    assert first["since"] > before["since"]
    assert second["since"] == first["since"]
    assert second["last_look_at"] > first["last_look_at"]
    assert second["next_look_at"] > second["last_look_at"]


def test_a_disabled_connector_is_not_looked_at(alice: Caller) -> None:
    connector = alice.new_connector()
    alice.post(f"{CONNECTORS}/{connector}/disable")
    shown = health_of(alice, connector)
    assert (shown["status"], shown["next_look_at"]) == ("disabled", None)


def test_the_last_run_that_read_is_told_and_not_those_that_were_skipped(
    alice: Caller, engine: Engine, queue_client: object
) -> None:
    schedule = alice.new_schedule()
    trigger = f"/api/v2/sync-schedules/{schedule['id']}/trigger"
    run = alice.post(trigger).json
    end_run(engine, status="error", reason="configuration", error="Give it a table.")
    skipped = alice.post(trigger).json
    assert alice.post(f"/api/v2/runs/{skipped['id']}/cancel").status_code == 200

    last = health_of(alice, schedule["connector_id"])["last_run"]

    assert last["run_id"] == run["id"]
    assert (last["status"], last["reason"], last["error"]) == (
        "error",
        "configuration",
        "Give it a table.",
    )
    assert datetime.fromisoformat(last["started_at"]) <= datetime.fromisoformat(
        last["completed_at"]
    )


@pytest.mark.parametrize(("failed", "told", "more"), [(2, 2, False), (21, 20, True)])
def test_streams_that_failed_are_told_by_name_and_with_their_fault(
    alice: Caller, engine: Engine, failed: int, told: int, *, more: bool
) -> None:
    connector = alice.new_connector()
    note_streams(engine, failed=failed)
    shown = health_of(alice, connector)
    assert [one["stream"] for one in shown["failed_streams"]] == [
        f"s{number:03}" for number in range(1, told + 1)
    ]
    assert shown["failed_streams"][0] == {
        "stream": "s001",
        "fault": "not_found",
        "error": "The table is gone.",
        "last_synced_at": None,
    }
    assert shown["failed_streams_are_more"] is more
    assert shown["last_synced_at"] is not None


def test_viewers_read_it_and_strangers_find_nothing(
    alice: Caller, bob: Caller, mallory: Caller
) -> None:
    connector = alice.new_connector()
    assert health_of(bob, connector)["health"] == "unknown"
    for caller, named in ((mallory, connector), (alice, str(uuid4()))):
        assert caller.get(f"{CONNECTORS}/{named}/health").status_code == 404
    assert alice.delete(f"{CONNECTORS}/{connector}").status_code == 204
    assert alice.get(f"{CONNECTORS}/{connector}/health").status_code == 404
