"""Schedules: what is due, and what became of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from shared.domain.plan import Plan
from shared.domain.schedule import (
    Frequency,
    MissedRunPolicy,
    RecurrenceFields,
    Schedule,
)
from shared.store.rows import Row, to_records
from shared.store.sql import load_sql
from shared.store.tables import sync_schedule, workspace_connector

_PUBLIC = (
    sync_schedule.c.public_id,
    workspace_connector.c.public_id.label("connector_public_id"),
    workspace_connector.c.name.label("connector_name"),
    workspace_connector.c.status.label("connector_status"),
    sync_schedule.c.name,
    sync_schedule.c.description,
    sync_schedule.c.frequency,
    sync_schedule.c.preferred_time,
    sync_schedule.c.preferred_day_of_week,
    sync_schedule.c.preferred_day_of_month,
    sync_schedule.c.cron_expression,
    sync_schedule.c.timezone,
    sync_schedule.c.is_enabled,
    sync_schedule.c.overlap_policy,
    sync_schedule.c.missed_run_policy,
    sync_schedule.c.catch_up_window_seconds,
    sync_schedule.c.spread_seconds,
    sync_schedule.c.next_scheduled_at,
    sync_schedule.c.plan_error,
    sync_schedule.c.last_run_at,
    sync_schedule.c.last_run_status,
    sync_schedule.c.last_run_error,
    sync_schedule.c.last_run_records_synced,
    sync_schedule.c.created_at,
    sync_schedule.c.updated_at,
)


def lock_due_schedules(
    connection: Connection, horizon: datetime, page: int
) -> Sequence[RowMapping]:
    """Lock up to `page` schedules whose next period falls due by `horizon`, oldest first."""
    parameters = {"horizon": horizon, "page": page}
    return connection.execute(load_sql("due_schedules"), parameters).mappings().all()


def to_recurrence_fields(row: Row) -> RecurrenceFields:
    """Read the timing columns of a row."""
    return RecurrenceFields(
        frequency=Frequency(row["frequency"]),
        timezone=row["timezone"],
        preferred_time=row["preferred_time"],
        preferred_day_of_week=row["preferred_day_of_week"],
        preferred_day_of_month=row["preferred_day_of_month"],
        cron_expression=row["cron_expression"],
    )


def to_schedule(row: Row) -> Schedule:
    """Read a row of `lock_due_schedules`."""
    return Schedule(
        id=row["id"],
        workspace_id=row["workspace_id"],
        connector_id=row["connector_id"],
        connector_public_id=row["connector_public_id"],
        connector_is_usable=row["connector_is_usable"],
        recurrence=to_recurrence_fields(row),
        missed_run_policy=MissedRunPolicy(row["missed_run_policy"]),
        catch_up_window=timedelta(seconds=row["catch_up_window_seconds"]),
        spread=timedelta(seconds=row["spread_seconds"]),
        paused_until=row["paused_until"],
        planned_through=row["planned_through"],
    )


def write_plans(
    connection: Connection,
    plans: Sequence[tuple[Schedule, Plan]],
    set_aside: Sequence[tuple[int, str]],
    now: datetime,
) -> tuple[int, int]:
    """Write the runs of planned schedules, move their marks, and set the unplannable aside.

    Returns how many runs were claimed and how many periods were skipped.
    """
    parameters = {
        "periods": to_records(
            [row for schedule, plan in plans for row in _periods(schedule, plan)]
        ),
        "marks": to_records([*(_mark(*planned) for planned in plans), *map(_aside, set_aside)]),
        "now": now,
    }
    row = connection.execute(load_sql("claim_page"), parameters).mappings().one()
    return row["claimed"], row["skipped"]


def insert_schedule(connection: Connection, values: dict[str, Any]) -> None:
    """Insert a schedule; the unique keys and checks of the table speak for the rules."""
    connection.execute(insert(sync_schedule).values(values))


def find_schedule(connection: Connection, workspace_id: int, public_id: object) -> Row | None:
    """Return what the API shows of one schedule, and its internal keys."""
    query = (
        select(sync_schedule.c.id, sync_schedule.c.connector_id, *_PUBLIC)
        .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
        .where(sync_schedule.c.workspace_id == workspace_id)
        .where(sync_schedule.c.public_id == public_id)
    )
    return connection.execute(query).mappings().one_or_none()


def list_schedules(
    connection: Connection, workspace_id: int, *, after_id: int, limit: int
) -> Sequence[RowMapping]:
    """Return up to `limit` schedules of a workspace after an internal key, oldest first."""
    query = (
        select(sync_schedule.c.id, *_PUBLIC)
        .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
        .where(sync_schedule.c.workspace_id == workspace_id)
        .where(sync_schedule.c.id > after_id)
        .order_by(sync_schedule.c.id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def _periods(schedule: Schedule, plan: Plan) -> list[dict[str, object]]:
    return [
        {
            "workspace_id": schedule.workspace_id,
            "connector_id": schedule.connector_id,
            "schedule_id": schedule.id,
            "idempotency_key": period.idempotency_key,
            "period_at": period.period_at,
            "period_count": period.count,
            "not_before_at": period.not_before_at,
            "reason": period.reason,
        }
        for period in plan.periods
    ]


def _mark(schedule: Schedule, plan: Plan) -> dict[str, object]:
    return {
        "schedule_id": schedule.id,
        "planned_through": plan.planned_through,
        "next_scheduled_at": plan.next_scheduled_at,
        "plan_error": None,
    }


def _aside(unplannable: tuple[int, str]) -> dict[str, object]:
    schedule_id, error = unplannable
    return {
        "schedule_id": schedule_id,
        "planned_through": None,
        "next_scheduled_at": None,
        "plan_error": error[:2000],
    }
