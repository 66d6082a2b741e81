"""Where the next sync of each stream of a connector starts, as people see and set it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import sync_log, sync_watermark

_MOST_WATERMARKS = 5_000
"""More than any type lets a connector select."""

_SHOWN = (
    sync_watermark.c.stream,
    sync_watermark.c.cursor,
    sync_watermark.c.value,
    sync_watermark.c.updated_at,
)


def list_watermarks(connection: Connection, workspace_id: int, connector_id: int) -> Sequence[Row]:
    """Return the watermarks of a connector by stream, each with the public id of its run."""
    query = (
        select(*_SHOWN, sync_log.c.workspace_connector_sync_log_id.label("run"))
        .outerjoin(sync_log, sync_log.c.id == sync_watermark.c.run_id)
        .where(sync_watermark.c.workspace_id == workspace_id)
        .where(sync_watermark.c.connector_id == connector_id)
        .order_by(sync_watermark.c.stream)
        .limit(_MOST_WATERMARKS)
    )
    return connection.execute(query).mappings().all()


def put_watermark(
    connection: Connection,
    workspace_id: int,
    connector_id: int,
    stream: str,
    *,
    cursor: str,
    value: Mapping[str, str],
) -> None:
    """Set a watermark by hand."""
    values = {"cursor": cursor, "value": value, "run_id": None}
    query = insert(sync_watermark).values(
        workspace_id=workspace_id, connector_id=connector_id, stream=stream, **values
    )
    connection.execute(
        query.on_conflict_do_update(index_elements=["connector_id", "stream"], set_=values)
    )


def delete_watermark(connection: Connection, connector_id: int, stream: str) -> bool:
    """Remove a watermark; return False if there is none."""
    query = (
        delete(sync_watermark)
        .where(sync_watermark.c.connector_id == connector_id)
        .where(sync_watermark.c.stream == stream)
    )
    return connection.execute(query).rowcount > 0


def delete_watermarks(connection: Connection, connector_id: int, streams: Sequence[str]) -> int:
    """Remove the watermarks of these streams; return how many there were."""
    query = (
        delete(sync_watermark)
        .where(sync_watermark.c.connector_id == connector_id)
        .where(sync_watermark.c.stream.in_(streams))
    )
    return connection.execute(query).rowcount


def find_reading_run(connection: Connection, connector_id: int) -> UUID | None:
    """Return the public id of a run that reads or will go on reading the connector's streams."""
    parameters = {"connector_id": connector_id}
    return connection.execute(load_sql("find_reading_run"), parameters).scalar_one_or_none()
