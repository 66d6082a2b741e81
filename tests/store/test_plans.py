"""The queries of the tick use their indexes, at a size where it matters."""

import pytest
from sqlalchemy import Engine, text

from shared.store.sql import load_sql
from tests.factories import make_tenant

SCHEDULES = 20_000


@pytest.fixture
def full(engine: Engine) -> Engine:
    tenant = make_tenant(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
                " SELECT :w, 'database', 'c' || n, '{}' FROM generate_series(1, :count) AS n"
            ),
            {"w": tenant.workspace_id, "count": SCHEDULES},
        )
        connection.execute(
            text(
                "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency,"
                " preferred_time, timezone, next_scheduled_at)"
                " SELECT workspace_id, id, name, 'daily', '02:00', 'UTC',"
                " now() + id * interval '1 second' FROM workspace_connector"
            )
        )
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
                " trigger_type, idempotency_key, period_at, not_before_at, status, started_at,"
                " completed_at, duration_ms)"
                " SELECT workspace_id, connector_id, id, 'cloud_task', 'k' || id, now(), now(),"
                " 'success', now(), now(), 0 FROM sync_schedule"
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return engine


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
    "rescue_expired_leases": {"now": "2020-01-01T00:00Z", "page": 500},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_tick_with_nothing_to_do_scans_no_table(full: Engine, name: str) -> None:
    with full.connect() as connection:
        plan = "\n".join(
            connection.execute(
                text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {load_sql(name).text}"),
                PARAMETERS[name],
            ).scalars()
        )
        connection.rollback()
    scanned = [
        line for line in plan.splitlines() if "Seq Scan" in line and "never executed" not in line
    ]
    assert scanned == [], plan
