"""The statements of the tick and of a run use their indexes, at a size where it matters."""

import pytest
from sqlalchemy import Connection, RowMapping, text

from shared.store.rows import to_records
from shared.store.sql import load_sql
from tests.store.crowd import Crowd, rows_of

PARAMETERS = {
    "due_schedules": {"horizon": "2020-01-01T00:00Z", "page": 1000},
    "admit_runs": {
        "now": "2020-01-01T00:00Z",
        "horizon": "2020-01-01T00:00Z",
        "page": 1000,
        "workspace_id": None,
    },
    "runs_wanting_a_task": {"now": "2020-01-01T00:00Z", "patience": "30 s", "page": 500},
    "rescue_lost_tasks": {"now": "2020-01-01T00:00Z", "patience": "300 s", "page": 500},
    "expired_leases": {"now": "2020-01-01T00:00Z", "page": 500},
    "rescue_expired_leases": {
        "now": "2020-01-01T00:00Z",
        "patience": "2 hours",
        "waits": to_records([{"run_id": n, "fence": 1, "wait": "20 s"} for n in (1, 2, 3)]),
    },
    "time_out_stale_schedules": {"now": "2020-01-01T00:00Z", "patience": "2 hours", "page": 500},
    "schedules_of_older_zone_data": {"version": "", "page": 500},
    "lock_schedules": {"ids": [1, 2, 3], "mark": None},
    "cancel_ahead": {
        "ids": [1, 2, 3],
        "reason": "paused",
        "sentence": "It was paused.",
        "halted_until": "9999-12-31T00:00Z",
        "now": "2020-01-01T00:00Z",
    },
    "lock_unread_changes": {"connectors": [1, 2, 3], "now": "2020-01-01T00:00Z"},
    "skip_overlapping": {"now": "2020-01-01T00:00Z", "page": 500},
    "wanted_errands": {"now": "2020-01-01T00:00Z", "soon": "1 min", "idle": "10 min"},
    "claim_looks": {
        "now": "2020-01-01T00:00Z",
        "after": 0,
        "workspaces": 8,
        "share": 2,
        "put_off": "1 day",
    },
    "put_off_asleep": {"now": "2020-01-01T00:00Z", "put_off": "1 day", "page": 5000},
    "find_reading_run": {"connector_id": 1},
}


RUN = "SELECT id, workspace_connector_sync_log_id AS public_id FROM workspace_connector_sync_log"
AN_HOUR = {"lease": "1 hour", "now": None}


def parameters_of_a_run(run: RowMapping) -> dict[str, dict[str, object]]:
    """Return parameters with which each statement finds this run in progress."""
    ended = dict.fromkeys(("reason", "error", "retry_in", "processed", "created", "updated"))
    return {
        "lock_workspace_of_run": {"run_id": run["public_id"]},
        "lease_run": {
            "run_id": run["public_id"],
            "workspace": None,
            "generation": 0,
            "early": "2 s",
            "cold_start": False,
            **AN_HOUR,
        },
        "heartbeat_run": {"run_id": run["id"], "fence": 0, **AN_HOUR},
        "put_run_back": {
            "run_id": run["id"],
            "reason": "overlap",
            "generation": 0,
            "now": None,
        },
        "skip_run": {"run_id": run["id"], "reason": "overlap", "now": None},
        "mark_enqueued": {
            "tasks": to_records([{"run_id": run["id"], "generation": 0, "cloud_task_id": "t"}]),
            "now": None,
        },
        "record_run": {
            **ended,
            "run_id": run["id"],
            "fence": 0,
            "status": "success",
            "failed": None,
            "goes_on": False,
            "is_slice": False,
            "is_throttled": False,
            "connector_held_for": None,
            "positions": None,
            "attempts_spent": None,
            "attempt": 1,
            "metadata": "{}",
            "watermarks": "[]",
            "streams": "[]",
            "health": "healthy",
            "health_reason": None,
            "quiet": "26 hours",
            "has_read_all": True,
            "shown_status": "success",
            "shown_error": None,
            "kind": "succeeded",
            "detail": "{}",
            "now": None,
        },
    }


IN_PROGRESS = (
    "UPDATE workspace_connector_sync_log SET status = 'in_progress', completed_at = NULL,"
    " duration_ms = NULL, lease_expires_at = now() WHERE id = :id"
)


@pytest.mark.parametrize(
    "name",
    [
        "lock_workspace_of_run",
        "lease_run",
        "heartbeat_run",
        "put_run_back",
        "skip_run",
        "mark_enqueued",
        "record_run",
    ],
)
def test_what_is_done_to_one_run_scans_no_table(crowd: Crowd, name: str) -> None:
    with crowd.system.connect() as connection:
        run = connection.execute(text(f"{RUN} ORDER BY id LIMIT 1")).mappings().one()
        connection.execute(text(IN_PROGRESS), {"id": run["id"]})
        assert scans(connection, name, parameters_of_a_run(run)[name]) == []
        connection.rollback()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_tick_with_nothing_to_do_scans_no_table(crowd: Crowd, name: str) -> None:
    with crowd.system.connect() as connection:
        assert scans(connection, name, PARAMETERS[name]) == []
        connection.rollback()


def test_looking_for_an_active_run_reads_none_of_the_others(crowd: Crowd) -> None:
    with crowd.api.connect() as connection:
        explain = text(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {load_sql('find_active_runs').text}"
        )
        parameters = {
            "workspace_id": crowd.large,
            "connector_ids": [19_000],
            "now": "2020-01-01T00:00Z",
        }
        plan = "\n".join(connection.execute(explain, parameters).scalars())
        connection.rollback()
    assert "Seq Scan" not in plan, plan
    assert rows_of(plan) <= 1, plan


def scans(connection: Connection, name: str, parameters: dict[str, object]) -> list[str]:
    """Return the lines of a statement's plan that read a whole table of many rows."""
    explain = text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {load_sql(name).text}")
    plan = list(connection.execute(explain, parameters).scalars())
    large = ("workspace_connector_sync_log", "sync_schedule", "workspace_connector")
    return [
        line
        for line in plan
        if "Seq Scan" in line and "never executed" not in line and any(t in line for t in large)
    ]
