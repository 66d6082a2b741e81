"""What became of the streams of a connector."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from shared.store.rows import Row
from shared.store.tables import connector_stream, workspace, workspace_connector


def list_streams(connection: Connection, workspace_id: int, connector_id: int) -> Sequence[Row]:
    """Return the state of each stream that a run has read or failed to, by name."""
    query = (
        select(
            connector_stream.c.stream,
            connector_stream.c.status,
            connector_stream.c.error,
            connector_stream.c.fault,
            connector_stream.c.dataset_table,
            connector_stream.c.synced_at,
        )
        .where(connector_stream.c.workspace_id == workspace_id)
        .where(connector_stream.c.connector_id == connector_id)
        .order_by(connector_stream.c.stream)
    )
    return connection.execute(query).mappings().all()


def owner_of_datasets(connection: Connection, workspace_id: int) -> tuple[UUID, Sequence[UUID]]:
    """Return the public ids of a workspace and of its connectors, deleted ones included.

    The dataset of a deleted connector stays, and stays the workspace's.
    """
    owner = select(workspace.c.public_id).where(workspace.c.id == workspace_id)
    connectors = select(workspace_connector.c.public_id).where(
        workspace_connector.c.workspace_id == workspace_id
    )
    return (
        connection.execute(owner).scalar_one(),
        connection.execute(connectors).scalars().all(),
    )
