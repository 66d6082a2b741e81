"""Schedules: what is due, and what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, delete, insert, or_, select, true, update

from shared.domain.blackout import BlackoutWindow
from shared.domain.plan import Plan
from shared.domain.run import CANCELLATIONS, Reason
from shared.domain.schedule import (
    BlackoutPolicy,
    Frequency,
    MissedRunPolicy,
    RecurrenceFields,
    Schedule,
)
from shared.domain.zone_data import zone_data_version
from shared.store.outlook import OUTLOOK_COLUMNS, UNFINISHED_RUN
from shared.store.rows import Row, to_records
from shared.store.sql import load_sql
from shared.store.tables import sync_schedule, unread_change, workspace_connector

_KEYS = (sync_schedule.c.id, sync_schedule.c.workspace_id, sync_schedule.c.connector_id)
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
    sync_schedule.c.paused_until,
    sync_schedule.c.pause_note,
    sync_schedule.c.overlap_policy,
    sync_schedule.c.missed_run_policy,
    sync_schedule.c.catch_up_window_seconds,
    sync_schedule.c.spread_seconds,
    sync_schedule.c.max_attempts,
    sync_schedule.c.blackout_policy,
    sync_schedule.c.next_scheduled_at,
    sync_schedule.c.plan_error,
    sync_schedule.c.last_run_at,
    sync_schedule.c.last_run_status,
    sync_schedule.c.last_run_error,
    sync_schedule.c.last_run_records_synced,
    unread_change.c.reported_at.label("change_reported_at"),
    sync_schedule.c.version,
    sync_schedule.c.created_at,
    sync_schedule.c.updated_at,
)


def lock_due_schedules(
    connection: Connection, horizon: datetime, page: int
) -> Sequence[RowMapping]:
    """Lock up to `page` schedules whose next period falls due by `horizon`, oldest first."""
    parameters = {"horizon": horizon, "page": page}
    return connection.execute(load_sql("due_schedules"), parameters).mappings().all()


def lock_schedules(
    connection: Connection, ids: Sequence[int], *, mark: datetime | None
) -> Sequence[RowMapping]:
    """Lock schedules by their keys, waiting for whoever holds them.

    Given a `mark`, they are returned as if it were their high-water mark.
    """
    parameters = {"ids": list(ids), "mark": mark}
    return connection.execute(load_sql("lock_schedules"), parameters).mappings().all()


def find_schedules_of_older_zone_data(
    connection: Connection, version: str, *, page: int
) -> Sequence[int]:
    """Return the keys of schedules planned with zone data older than `version`, soonest first."""
    parameters = {"version": version, "page": page}
    return connection.execute(load_sql("schedules_of_older_zone_data"), parameters).scalars().all()


def find_schedules_planned_ahead(
    connection: Connection,
    workspace_id: int,
    *,
    now: datetime,
    horizon: datetime,
    after_id: int,
    page: int,
) -> Sequence[int]:
    """Return the keys of a workspace's schedules that what they heed can change, by key.

    Those with periods after `now` that are decided, those with periods up to `horizon` that a tick
    may be deciding at this moment, and those that were set aside.
    """
    query = _keys(workspace_id, after_id=after_id, page=page).where(
        or_(
            sync_schedule.c.planned_through > now,
            sync_schedule.c.next_scheduled_at <= horizon,
            sync_schedule.c.plan_error.is_not(None),
        )
    )
    return connection.execute(query).scalars().all()


def find_marked_schedules(
    connection: Connection, workspace_id: int, *, after_id: int, page: int
) -> Sequence[int]:
    """Return the keys of up to `page` schedules of a workspace that are planned, by key."""
    query = _keys(workspace_id, after_id=after_id, page=page).where(
        or_(
            sync_schedule.c.planned_through.is_not(None),
            sync_schedule.c.next_scheduled_at.is_not(None),
        )
    )
    return connection.execute(query).scalars().all()


def find_unmarked_schedules(
    connection: Connection, workspace_id: int, *, after_id: int, page: int
) -> Sequence[int]:
    """Return the keys of up to `page` schedules that should be planned and are not, by key.

    Those of deleted connectors and those that were set aside are left out.
    """
    query = (
        _keys(workspace_id, after_id=after_id, page=page)
        .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
        .where(workspace_connector.c.deleted_at.is_(None))
        .where(sync_schedule.c.is_enabled)
        .where(sync_schedule.c.frequency.not_in(("manual", "realtime")))
        .where(sync_schedule.c.planned_through.is_(None))
        .where(sync_schedule.c.next_scheduled_at.is_(None))
        .where(sync_schedule.c.plan_error.is_(None))
    )
    return connection.execute(query).scalars().all()


def clear_marks(connection: Connection, ids: Sequence[int]) -> None:
    """Let the dispatcher forget some schedules, until they are planned anew."""
    query = update(sync_schedule).where(sync_schedule.c.id.in_(ids))
    connection.execute(query.values(planned_through=None, next_scheduled_at=None))


def time_out_stale_schedules(
    connection: Connection, *, now: datetime, patience: timedelta, page: int
) -> int:
    """Show schedules as failed that show as running and have no run under way; return how many."""
    parameters = {"now": now, "patience": patience, "page": page}
    return len(connection.execute(load_sql("time_out_stale_schedules"), parameters).all())


def cancel_ahead(
    connection: Connection,
    ids: Sequence[int],
    reason: Reason,
    *,
    halted_until: datetime | None,
    now: datetime,
) -> int:
    """Cancel the runs planned ahead for periods after `now`; return how many.

    With `halted_until` also those of earlier periods, and for reported changes, that would start
    before it.
    """
    parameters = {
        "ids": list(ids),
        "reason": reason,
        "sentence": CANCELLATIONS.get(reason),
        "halted_until": halted_until,
        "now": now,
    }
    return len(connection.execute(load_sql("cancel_ahead"), parameters).all())


def update_schedule(connection: Connection, schedule_id: int, values: dict[str, Any]) -> None:
    """Change what people set of a schedule; the checks of the table speak for the rules."""
    update_schedules(connection, [schedule_id], values)


def update_schedules(connection: Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    """Change what people set of some schedules to the same."""
    if values:
        query = update(sync_schedule).where(sync_schedule.c.id.in_(ids))
        connection.execute(query.values({**values, "version": sync_schedule.c.version + 1}))


def delete_schedule_row(connection: Connection, schedule_id: int) -> None:
    """Delete a schedule; the runs that still name it name none then."""
    connection.execute(delete(sync_schedule).where(sync_schedule.c.id == schedule_id))


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


def to_schedule(row: Row, blackouts: tuple[BlackoutWindow, ...]) -> Schedule:
    """Read a row of `lock_due_schedules` or `lock_schedules`; `blackouts` are its workspace's."""
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
        blackout_policy=BlackoutPolicy(row["blackout_policy"]),
        blackouts=blackouts,
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
        "zone_data_version": zone_data_version(),
        "now": now,
    }
    row = connection.execute(load_sql("claim_page"), parameters).mappings().one()
    return row["claimed"], row["skipped"]


def insert_schedule(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a schedule and return its key; the table's own checks speak for the rules."""
    query = insert(sync_schedule).values(values).returning(sync_schedule.c.id)
    return connection.execute(query).scalar_one()


def find_schedule(connection: Connection, workspace_id: int, public_id: object) -> Row | None:
    """Return what the API shows of one schedule, and its internal keys."""
    query = _shown(workspace_id).where(sync_schedule.c.public_id == public_id)
    return connection.execute(query).mappings().one_or_none()


def find_schedules(
    connection: Connection, workspace_id: int, public_ids: Sequence[UUID]
) -> Mapping[UUID, Row]:
    """Return the same of some schedules, by their public ids."""
    query = _shown(workspace_id).where(sync_schedule.c.public_id.in_(public_ids))
    return {row["public_id"]: row for row in connection.execute(query).mappings()}


def find_schedule_id(connection: Connection, connector_id: int) -> int | None:
    """Return the key of a connector's schedule, or None."""
    query = select(sync_schedule.c.id).where(sync_schedule.c.connector_id == connector_id)
    return connection.execute(query).scalar_one_or_none()


def find_schedule_of(connection: Connection, connector_id: int) -> Row | None:
    """Return key and `max_attempts` of a connector's schedule, or None."""
    query = select(sync_schedule.c.id, sync_schedule.c.max_attempts).where(
        sync_schedule.c.connector_id == connector_id
    )
    return connection.execute(query).mappings().one_or_none()


def find_pause(connection: Connection, connector_id: int) -> datetime | None:
    """Return until when the schedule of a connector is paused, or None."""
    query = select(sync_schedule.c.paused_until).where(sync_schedule.c.connector_id == connector_id)
    return connection.execute(query).scalar_one_or_none()


def list_schedules(
    connection: Connection,
    workspace_id: int,
    *,
    connector: UUID | None = None,
    after_id: int,
    limit: int,
) -> Sequence[RowMapping]:
    """Return up to `limit` schedules after an internal key, oldest first.

    They are those of the workspace, or of one connector of it.
    """
    query = _shown(workspace_id).where(sync_schedule.c.id > after_id)
    if connector is not None:
        query = query.where(workspace_connector.c.public_id == connector)
    return connection.execute(query.order_by(sync_schedule.c.id).limit(limit)).mappings().all()


def _shown(workspace_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(*_KEYS, *_PUBLIC, *OUTLOOK_COLUMNS)
        .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
        .outerjoin(UNFINISHED_RUN, true())
        .outerjoin(unread_change, unread_change.c.connector_id == sync_schedule.c.connector_id)
        .where(sync_schedule.c.workspace_id == workspace_id)
        # The schedule of a deleted connector went with it.
        .where(workspace_connector.c.deleted_at.is_(None))
    )


def _keys(workspace_id: int, *, after_id: int, page: int) -> Select[Any]:
    return (
        select(sync_schedule.c.id)
        .where(sync_schedule.c.workspace_id == workspace_id)
        .where(sync_schedule.c.id > after_id)
        .order_by(sync_schedule.c.id)
        .limit(page)
    )


def _periods(schedule: Schedule, plan: Plan) -> list[dict[str, object]]:
    return [
        {
            "workspace_id": schedule.workspace_id,
            "connector_id": schedule.connector_id,
            "schedule_id": schedule.id,
            "idempotency_key": period.idempotency_key,
            "period_at": period.period_at,
            "period_count": period.count,
            "last_period_at": period.last_period_at,
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
