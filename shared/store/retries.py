"""Runs that are run again."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, case, func, insert, select

from shared.store.rows import Row
from shared.store.tables import sync_log, sync_log_event, workspace_connector


def find_repeatable(connection: Connection, workspace_id: int, run: UUID) -> Row | None:
    """Return what another run of the same needs: keys, the connector, the instant it is about.

    Of a row that stands for many periods that is the last of them.
    """
    query = (
        select(
            sync_log.c.id,
            sync_log.c.status,
            sync_log.c.connector_id,
            sync_log.c.schedule_id,
            sync_log.c.max_attempts,
            func.coalesce(
                sync_log.c.last_period_at,
                sync_log.c.period_at,
                sync_log.c.nominal_at,
                # Its attempts were each about the instant since which it read.
                case((sync_log.c.trigger_type == "webhook", sync_log.c.reading_since)),
                sync_log.c.created_at,
            ).label("nominal_at"),
            workspace_connector.c.public_id.label("connector_public_id"),
            workspace_connector.c.name.label("connector_name"),
            workspace_connector.c.status.label("connector_status"),
            workspace_connector.c.deleted_at.label("connector_deleted_at"),
        )
        .join(workspace_connector, workspace_connector.c.id == sync_log.c.connector_id)
        .where(sync_log.c.workspace_id == workspace_id)
        .where(sync_log.c.workspace_connector_sync_log_id == run)
        .where(sync_log.c.deleted_at.is_(None))
    )
    return connection.execute(query).mappings().one_or_none()


def note_retried(
    connection: Connection, workspace_id: int, run_id: int, retry: UUID, now: datetime
) -> None:
    """Let the timeline of a run tell that another repeats it."""
    event = {
        "workspace_id": workspace_id,
        "run_id": run_id,
        "happened_at": now,
        "kind": "retried",
        "detail": {"run_id": str(retry)},
    }
    connection.execute(insert(sync_log_event).values(event))
