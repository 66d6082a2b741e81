from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects import postgresql

from shared.domain.outlook import ScheduleState, UnfinishedRun
from shared.domain.run import RunStatus
from shared.store.outlook import to_schedule_state
from shared.store.rows import Row
from shared.store.schedules import _shown, find_schedule, list_schedules
from shared.store.tables import sync_schedule
from tests.factories import Tenant, at, make_schedule, make_tenant

SCHEDULES = 2_000
PAGE = 50
HOUR = timedelta(hours=1)


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def schedule(engine: Engine, tenant: Tenant) -> Row:
    return make_schedule(engine, tenant)


def add_run(engine: Engine, schedule: Row, **values: Any) -> None:
    """Write a run of a schedule's connector that waits for 02:00, unless told otherwise."""
    wanted = {
        "status": "scheduled",
        "trigger": "cloud_task",
        "at": at("02:00"),
        "admitted": None,
        "lease": None,
        "completed": None,
        "deleted": None,
        "attempt": 0,
        "reason": None,
        **values,
    }
    wanted["started"] = wanted["lease"] or wanted["completed"]
    wanted["period"] = wanted["at"] if wanted["trigger"] == "cloud_task" else None
    wanted["ms"] = 0 if wanted["completed"] else None
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
                " status, trigger_type, idempotency_key, period_at, not_before_at, admitted_at,"
                " lease_expires_at, started_at, completed_at, duration_ms, deleted_at, attempt,"
                " reason) SELECT workspace_id, connector_id, id, :status, :trigger,"
                " gen_random_uuid(), :period, :at, :admitted, :lease, :started, :completed, :ms,"
                " :deleted, :attempt, :reason FROM sync_schedule WHERE id = :schedule"
            ),
            {**wanted, "schedule": schedule["id"]},
        )


def state_of(engine: Engine, tenant: Tenant, schedule: Row) -> ScheduleState:
    with engine.connect() as connection:
        row = find_schedule(connection, tenant.workspace_id, schedule["public_id"])
        [listed] = list_schedules(connection, tenant.workspace_id, after_id=0, limit=2)
    assert row is not None
    assert to_schedule_state(row) == to_schedule_state(listed)
    return to_schedule_state(row)


def test_a_schedule_of_whose_connector_nothing_waits_has_no_run(
    engine: Engine, tenant: Tenant, schedule: Row
) -> None:
    add_run(engine, schedule, status="success", completed=at("02:01"))
    add_run(engine, schedule, deleted=at("02:01"))
    assert state_of(engine, tenant, schedule) == ScheduleState(
        is_enabled=True, plan_error=None, pause_note=None, connector_status="connected", run=None
    )


def test_the_run_that_starts_first_of_those_that_wait_is_told(
    engine: Engine, tenant: Tenant, schedule: Row
) -> None:
    add_run(engine, schedule, at=at("04:00"))
    add_run(
        engine,
        schedule,
        at=at("03:00"),
        admitted=at("02:59"),
        attempt=2,
        reason="rate_limited",
    )
    assert state_of(engine, tenant, schedule).run == UnfinishedRun(
        status=RunStatus.SCHEDULED,
        period_at=at("03:00"),
        not_before_at=at("03:00"),
        is_admitted=True,
        started_at=None,
        attempt=2,
        max_attempts=5,
        reason="rate_limited",
    )


def test_a_run_in_progress_comes_before_all_that_wait(
    engine: Engine, tenant: Tenant, schedule: Row
) -> None:
    add_run(engine, schedule, at=at("01:00"))
    add_run(engine, schedule, status="in_progress", trigger="manual", lease=at("02:00"), attempt=1)
    run = state_of(engine, tenant, schedule).run
    assert run is not None
    assert (run.status, run.period_at) == (RunStatus.IN_PROGRESS, None)
    assert run.started_at == at("02:00")


def test_a_run_of_another_connector_is_not_told(
    engine: Engine, tenant: Tenant, schedule: Row
) -> None:
    add_run(engine, make_schedule(engine, make_tenant(engine)))
    assert state_of(engine, tenant, schedule).run is None


def test_a_schedule_without_a_mark_is_read_as_of_the_query(engine: Engine, tenant: Tenant) -> None:
    schedule = make_schedule(engine, tenant, is_enabled=False)
    with engine.connect() as connection:
        row = find_schedule(connection, tenant.workspace_id, schedule["public_id"])
    assert row is not None
    assert row["planned_through"] == row["as_of"]


def test_the_run_is_read_from_the_partial_indexes_one_look_a_schedule(
    engine: Engine, tenant: Tenant
) -> None:
    fill(engine, tenant)
    with engine.connect() as connection:
        page = explain(connection, tenant)
    assert "Seq Scan on workspace_connector_sync_log" not in page, page
    for index in ("one_run_in_progress_per_connector", "run_waiting_of_a_connector"):
        assert page.count(f"using {index} ") == 1, page
    assert f"loops={SCHEDULES}" not in page, page
    assert "Rows Removed by Filter" not in page, page


def fill(engine: Engine, tenant: Tenant) -> None:
    """Give a workspace many schedules, each with a run that ended and one that waits."""
    runs = (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
        " trigger_type, idempotency_key, period_at, not_before_at, status, started_at,"
        " completed_at, duration_ms) SELECT workspace_id, connector_id, id, 'cloud_task',"
    )
    with engine.begin() as connection:
        for statement in (
            (
                "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
                " SELECT :w, 'database', 'c' || n, '{}' FROM generate_series(1, :count) AS n"
            ),
            (
                "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency,"
                " preferred_time, timezone) SELECT workspace_id, id, name, 'daily', '02:00', 'UTC'"
                " FROM workspace_connector"
            ),
            f"{runs} 'a' || id, now(), now(), 'success', now(), now(), 0 FROM sync_schedule",
            f"{runs} 'b' || id, now(), now(), 'scheduled', NULL, NULL, NULL FROM sync_schedule",
        ):
            values = {"w": tenant.workspace_id, "count": SCHEDULES} if ":w" in statement else {}
            connection.execute(text(statement), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def explain(connection: Connection, tenant: Tenant) -> str:
    query = _shown(tenant.workspace_id).order_by(sync_schedule.c.id).limit(PAGE)
    compiled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    return "\n".join(
        connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {compiled}").scalars()
    )
