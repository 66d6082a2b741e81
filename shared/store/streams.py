"""What became of the streams of a connector."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, delete, select

from shared.store.rows import Row
from shared.store.tables import connector_stream, workspace, workspace_connector

_MOST_STREAMS = 5_000
"""More than any type lets a connector select."""


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
        .limit(_MOST_STREAMS)
    )
    return connection.execute(query).mappings().all()


def delete_streams(connection: Connection, connector_id: int, streams: Sequence[str]) -> int:
    """Forget the state of these streams; return of how many there was one."""
    query = (
        delete(connector_stream)
        .where(connector_stream.c.connector_id == connector_id)
        .where(connector_stream.c.stream.in_(streams))
    )
    return connection.execute(query).rowcount


def find_owner(connection: Connection, workspace_id: int) -> UUID:
    """Return the public id of a workspace, under which its datasets have their reader."""
    query = select(workspace.c.public_id).where(workspace.c.id == workspace_id)
    return connection.execute(query).scalar_one()


def list_with_datasets(
    connection: Connection, workspace_id: int, *, after_id: int, limit: int
) -> Sequence[Row]:
    """Return up to `limit` connectors of a workspace after an internal key, deleted ones included.

    The dataset of a deleted connector stays, and stays the workspace's.
    """
    query = (
        select(workspace_connector.c.id, workspace_connector.c.public_id)
        .where(workspace_connector.c.workspace_id == workspace_id)
        .where(workspace_connector.c.id > after_id)
        .order_by(workspace_connector.c.id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()
