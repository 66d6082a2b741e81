"""The passes of the dispatcher."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, desc, text

from shared.store.tables.columns import instant, internal_id, metadata

# One row a pass of the dispatcher. It belongs to no workspace: operators read it, tenants do not.
tick = Table(
    "tick",
    metadata,
    internal_id(),
    instant("as_of", required=True),
    instant("completed_at"),
    Column("rescued", Integer, nullable=False, server_default="0"),
    Column("due", Integer, nullable=False, server_default="0"),
    Column("claimed", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("set_aside", Integer, nullable=False, server_default="0"),
    Column("enqueued", Integer, nullable=False, server_default="0"),
    Column("enqueue_failures", Integer, nullable=False, server_default="0"),
    # The largest lateness of a period that this tick planned: 0 when all were ahead of time.
    Column("drift_ms", BigInteger, nullable=False, server_default="0"),
    Column("duration_ms", BigInteger, nullable=True),
    # False when the time budget ended before the work did; the next tick goes on.
    Column("is_complete", Boolean, nullable=False, server_default=text("false")),
)
Index("tick_newest", desc(tick.c.as_of))
