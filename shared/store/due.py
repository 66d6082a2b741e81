"""Reading the schedules among which the due ones are looked for; nothing here writes or locks."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, Connection, and_, any_, literal, select

from shared.store.rows import Row
from shared.store.tables import sync_schedule, workspace, workspace_connector

_IS_USABLE = and_(
    workspace_connector.c.deleted_at.is_(None),
    workspace.c.deleted_at.is_(None),
    workspace.c.disabled_at.is_(None),
    workspace_connector.c.status == "connected",
)
_TIMING = (
    sync_schedule.c.frequency,
    sync_schedule.c.timezone,
    sync_schedule.c.preferred_time,
    sync_schedule.c.preferred_day_of_week,
    sync_schedule.c.preferred_day_of_month,
    sync_schedule.c.cron_expression,
)
_ALL = (
    *_TIMING,
    sync_schedule.c.id,
    sync_schedule.c.public_id,
    sync_schedule.c.workspace_id,
    sync_schedule.c.connector_id,
    sync_schedule.c.missed_run_policy,
    sync_schedule.c.catch_up_window_seconds,
    sync_schedule.c.spread_seconds,
    sync_schedule.c.blackout_policy,
    sync_schedule.c.paused_until,
    sync_schedule.c.planned_through,
    workspace_connector.c.public_id.label("connector_public_id"),
    workspace_connector.c.name.label("connector_name"),
    workspace_connector.c.connector_type,
    _IS_USABLE.label("connector_is_usable"),
    workspace.c.slug.label("workspace_slug"),
    workspace.c.public_id.label("workspace_public_id"),
)


def list_timings(
    connection: Connection, workspace_id: int | None, *, after_id: int, limit: int
) -> Sequence[Row]:
    """Return the key and the timing columns of up to `limit` schedules after a key, oldest first.

    Disabled, manual, realtime and set aside ones are left out. None stands for all workspaces.
    """
    query = (
        select(sync_schedule.c.id, *_TIMING)
        .where(sync_schedule.c.is_enabled)
        .where(sync_schedule.c.frequency.not_in(("manual", "realtime")))
        .where(sync_schedule.c.plan_error.is_(None))
        .where(sync_schedule.c.id > after_id)
        .order_by(sync_schedule.c.id)
        .limit(limit)
    )
    if workspace_id is not None:
        query = query.where(sync_schedule.c.workspace_id == workspace_id)
    return connection.execute(query).mappings().all()


def read_schedules(connection: Connection, ids: Sequence[int]) -> Sequence[Row]:
    """Return what planning needs to know of some schedules, and whose they are, oldest first.

    Those of deleted workspaces, and of connectors that are deleted or not connected, are left out.
    """
    query = (
        select(*_ALL)
        .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
        .join(workspace, workspace.c.id == sync_schedule.c.workspace_id)
        .where(sync_schedule.c.id == any_(literal(ids, ARRAY(BigInteger))))
        .where(_IS_USABLE)
        .order_by(sync_schedule.c.id)
    )
    return connection.execute(query).mappings().all()
