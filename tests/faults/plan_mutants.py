"""Ways to do without what protects plans and tasks: keys, locks, orders, rescue."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from shared.crash_points import CrashPoint, reach
from shared.domain.plan import Plan
from shared.domain.run import task_id
from shared.domain.schedule import Schedule
from shared.flow import enqueue, rescue
from shared.flow import plan as plan_flow
from shared.store import runs, schedules
from tests.faults.mutations import Patch, change_sql


def claim_without_key(patch: Patch) -> None:
    """Write the runs of a plan without heed to those that are there."""
    conflict = r"ON CONFLICT \(idempotency_key\).*?AND r\.period_at > CAST\(:now AS timestamptz\)"
    change_sql(patch, schedules, "claim_page", conflict)


def plan_again_without_new_generation(patch: Patch) -> None:
    """Leave a run that is taken up again the generation of the task from before."""
    change_sql(patch, schedules, "claim_page", r"task_generation = r\.task_generation \+ 1,", "")


def plan_without_lock(patch: Patch) -> None:
    """Let several dispatchers plan a schedule at the same time."""
    change_sql(patch, schedules, "due_schedules", r"FOR NO KEY UPDATE OF s SKIP LOCKED")


def mark_before_the_runs(patch: Patch) -> None:
    """Commit the marks of a page of schedules before the runs are written."""
    write = plan_flow.write_plans

    def write_apart(
        connection: Connection,
        plans: Sequence[tuple[Schedule, Plan]],
        set_aside: Sequence[tuple[int, str]],
        now: datetime,
    ) -> tuple[int, int]:
        write(
            connection,
            [(schedule, replace(decided, periods=())) for schedule, decided in plans],
            set_aside,
            now,
        )
        driver: Any = connection.connection.dbapi_connection
        driver.commit()
        reach(CrashPoint.PAGE_PLANNED)
        return write(connection, plans, set_aside, now)

    patch(plan_flow, "write_plans", write_apart)


def name_tasks_once(patch: Patch) -> None:
    """Give all tasks of a run the same name."""
    patch(enqueue, "task_id", lambda key, _generation: task_id(key, 0))


def forget_orders(patch: Patch) -> None:
    """Never order a task again that was not confirmed."""
    patch(enqueue, "runs_wanting_a_task", lambda *_, **__: [])


def rescue_no_lease(patch: Patch) -> None:
    """Leave runs alone whose worker fell silent."""
    patch(rescue, "rescue_expired_leases", lambda *_, **__: 0)


def rescue_no_task(patch: Patch) -> None:
    """Leave runs alone whose task does not come."""
    patch(rescue, "rescue_lost_tasks", lambda *_, **__: 0)


def rescue_no_schedule(patch: Patch) -> None:
    """Leave schedules alone that show a run which is none."""
    patch(rescue, "time_out_stale_schedules", lambda *_, **__: 0)


def rescue_for_ever(patch: Patch) -> None:
    """Give a run whose worker fell silent another attempt also after its last."""
    change_sql(patch, runs, "rescue_expired_leases", r"r\.attempt < r\.max_attempts\s+AND")
