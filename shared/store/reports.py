"""What the reports of a connector need of its schedule."""

from uuid import UUID

from sqlalchemy import Connection, select

from shared.store.tables import sync_schedule


def find_schedule_of(connection: Connection, workspace_id: int, connector_id: int) -> UUID | None:
    """Return the public id of the schedule that syncs a connector, or None if it has none."""
    query = (
        select(sync_schedule.c.public_id)
        .where(sync_schedule.c.workspace_id == workspace_id)
        .where(sync_schedule.c.connector_id == connector_id)
    )
    return connection.execute(query).scalar_one_or_none()
