"""Which schedules of a workspace have something in common."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, func, select

from shared.domain.schedule import Frequency
from shared.store.tables import sync_schedule, workspace_connector


@dataclass(frozen=True, slots=True)
class ScheduleFilter:
    """What schedules have in common; None leaves it open."""

    frequency: Frequency | None = None
    connector_type: str | None = None
    is_enabled: bool | None = None
    is_paused: bool | None = None


def find_schedule_ids(
    connection: Connection, workspace_id: int, wanted: ScheduleFilter, *, limit: int
) -> list[UUID]:
    """Return the public ids of up to `limit` schedules of a workspace, oldest first."""
    query = (
        select(sync_schedule.c.public_id)
        .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
        .where(sync_schedule.c.workspace_id == workspace_id)
        .where(workspace_connector.c.deleted_at.is_(None))
    )
    if wanted.frequency is not None:
        query = query.where(sync_schedule.c.frequency == wanted.frequency)
    if wanted.connector_type is not None:
        query = query.where(workspace_connector.c.connector_type == wanted.connector_type)
    if wanted.is_enabled is not None:
        query = query.where(sync_schedule.c.is_enabled == wanted.is_enabled)
    if wanted.is_paused is not None:
        holds = func.coalesce(sync_schedule.c.paused_until > func.statement_timestamp(), False)
        query = query.where(holds == wanted.is_paused)
    return list(connection.execute(query.order_by(sync_schedule.c.id).limit(limit)).scalars())
