"""What admins set of their workspace, and what bounds it."""

from typing import Any

from sqlalchemy import Connection, select, update

from shared.store.rows import Row
from shared.store.tables import workspace

_SETTINGS = (
    workspace.c.public_id,
    workspace.c.slug,
    workspace.c.name,
    workspace.c.timezone,
    workspace.c.max_concurrent_syncs,
    workspace.c.minimum_interval_seconds,
    workspace.c.manual_triggers_per_minute,
    workspace.c.retention_days,
    workspace.c.version,
    workspace.c.created_at,
    workspace.c.updated_at,
)


def find_settings(connection: Connection, workspace_id: int) -> Row:
    """Return the settings of a workspace."""
    query = select(*_SETTINGS).where(workspace.c.id == workspace_id)
    return connection.execute(query).mappings().one()


def update_settings(connection: Connection, workspace_id: int, values: dict[str, Any]) -> Row:
    """Change some settings of a workspace and return all; the table's checks bound them."""
    newer = {**values, "version": workspace.c.version + 1}
    query = update(workspace).where(workspace.c.id == workspace_id).values(newer)
    return connection.execute(query.returning(*_SETTINGS)).mappings().one()
