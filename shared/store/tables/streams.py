"""What became of each stream of a connector, and where its next sync starts."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, String, Table
from sqlalchemy.dialects.postgresql import JSONB

from shared.store.tables.columns import (
    created_at,
    instant,
    metadata,
    one_of,
    updated_at,
    workspace_id,
)

sync_watermark = Table(
    "sync_watermark",
    metadata,
    Column("connector_id", BigInteger, primary_key=True, autoincrement=False),
    Column("stream", String(200), primary_key=True),
    workspace_id(),
    Column("cursor", String(200), nullable=False),
    # {"type": ..., "value": ...}: see shared/connectors/base.py.
    Column("value", JSONB, nullable=False),
    # The run that set it; null if a person did.
    Column("run_id", BigInteger, nullable=True),
    created_at(),
    updated_at(),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="watermark_in_its_workspace",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "run_id"],
        ["workspace_connector_sync_log.workspace_id", "workspace_connector_sync_log.id"],
        name="watermark_of_its_run",
        ondelete="SET NULL (run_id)",
    ),
)
# What the deletion of a run looks for.
Index("watermark_of_a_run", sync_watermark.c.run_id)

connector_stream = Table(
    "connector_stream",
    metadata,
    Column("connector_id", BigInteger, primary_key=True, autoincrement=False),
    Column("stream", String(200), primary_key=True),
    workspace_id(),
    # Of the newest run that read it to its end, or failed to.
    Column("status", String(16), nullable=False),
    Column("error", String(2000), nullable=True),
    Column("fault", String(32), nullable=True),
    # That run; null once it is deleted.
    Column("run_id", BigInteger, nullable=True),
    # Its table in the dataset; null until it brought a record.
    Column("dataset_table", String(63), nullable=True),
    # When it was last read to its end: what the dataset holds is at least as new.
    instant("synced_at"),
    created_at(),
    updated_at(),
    one_of("status", ("success", "failed"), "stream_status_valid"),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="stream_in_its_workspace",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "run_id"],
        ["workspace_connector_sync_log.workspace_id", "workspace_connector_sync_log.id"],
        name="stream_of_its_run",
        ondelete="SET NULL (run_id)",
    ),
)
Index("stream_of_a_run", connector_stream.c.run_id)
