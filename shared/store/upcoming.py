"""Schedules of a workspace by their next period, and the runs that wait already."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, text, tuple_

from shared.domain.upcoming import Place
from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import sync_schedule, workspace_connector

_BEFORE_THE_NEXT = sync_schedule.c.next_scheduled_at - text("interval '1 microsecond'")
_COLUMNS = (
    sync_schedule.c.id,
    sync_schedule.c.workspace_id,
    sync_schedule.c.connector_id,
    sync_schedule.c.public_id,
    sync_schedule.c.name,
    workspace_connector.c.public_id.label("connector_public_id"),
    workspace_connector.c.name.label("connector_name"),
    and_(
        workspace_connector.c.deleted_at.is_(None), workspace_connector.c.status == "connected"
    ).label("connector_is_usable"),
    sync_schedule.c.frequency,
    sync_schedule.c.preferred_time,
    sync_schedule.c.preferred_day_of_week,
    sync_schedule.c.preferred_day_of_month,
    sync_schedule.c.cron_expression,
    sync_schedule.c.timezone,
    sync_schedule.c.missed_run_policy,
    sync_schedule.c.catch_up_window_seconds,
    sync_schedule.c.spread_seconds,
    sync_schedule.c.blackout_policy,
    sync_schedule.c.paused_until,
    func.coalesce(sync_schedule.c.planned_through, _BEFORE_THE_NEXT).label("planned_through"),
    sync_schedule.c.next_scheduled_at,
)


def list_by_next_period(
    connection: Connection,
    workspace_id: int,
    *,
    until: datetime,
    after: Place | None,
    limit: int,
) -> Sequence[Row]:
    """Return up to `limit` schedules whose next period is up to `until`, soonest first.

    With a place, those whose next period comes after it in the order.
    """
    query = _planned(workspace_id, until)
    if after is not None:
        place = tuple_(sync_schedule.c.next_scheduled_at, sync_schedule.c.id)
        query = query.where(place > (after.period_at, after.schedule_key))
    return _read(connection, query, limit)


def _read(connection: Connection, query: Select[Any], limit: int) -> Sequence[Row]:
    ordered = query.order_by(sync_schedule.c.next_scheduled_at, sync_schedule.c.id).limit(limit)
    picked = ordered.subquery()
    rows = (
        select(*_COLUMNS)
        .join(picked, picked.c.id == sync_schedule.c.id)
        .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
        .order_by(sync_schedule.c.next_scheduled_at, sync_schedule.c.id)
    )
    return connection.execute(rows).mappings().all()


def walk_by_next_period(
    connection: Connection,
    workspace_id: int,
    *,
    until: datetime,
    through: Place | None,
    most: int,
    page: int,
) -> Iterator[Row]:
    """Yield up to `most` schedules whose next period is up to `until`, soonest first.

    Those up to a place come at once, the others in pages as they are asked for.
    """
    after, found = through, 0
    if through is not None:
        place = tuple_(sync_schedule.c.next_scheduled_at, sync_schedule.c.id)
        is_up_to = place <= (through.period_at, through.schedule_key)
        rows = _read(connection, _planned(workspace_id, until).where(is_up_to), most)
        yield from rows
        found = len(rows)
    while found < most:
        size = min(page, most - found)
        rows = list_by_next_period(connection, workspace_id, until=until, after=after, limit=size)
        yield from rows
        if len(rows) < size:
            return
        found += size
        after = Place(rows[-1]["next_scheduled_at"], rows[-1]["id"])


def has_more_than(
    connection: Connection, workspace_id: int, *, until: datetime, count: int
) -> bool:
    """Tell whether more than `count` schedules have their next period up to `until`."""
    ordered = _planned(workspace_id, until).order_by(sync_schedule.c.next_scheduled_at)
    query = ordered.offset(count).limit(1)
    return connection.execute(query).one_or_none() is not None


def list_waiting_runs(
    connection: Connection, workspace_id: int, *, until: datetime, limit: int
) -> Sequence[Row]:
    """Return up to `limit` runs that wait and start by `until`, soonest first."""
    parameters = {"workspace_id": workspace_id, "until": until, "page": limit}
    return connection.execute(load_sql("waiting_runs"), parameters).mappings().all()


def _planned(workspace_id: int, until: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(sync_schedule.c.id)
        .where(sync_schedule.c.workspace_id == workspace_id)
        .where(sync_schedule.c.next_scheduled_at <= until)
    )
