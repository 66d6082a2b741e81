"""The instances of the worker."""

from sqlalchemy import Column, Index, Table, Uuid, desc

from shared.store.tables.columns import instant, metadata

# One row an instance. It belongs to no workspace: the dispatcher reads it to know whether a worker
# is awake, operators to see how many are.
worker_instance = Table(
    "worker_instance",
    metadata,
    # Chosen by the instance.
    Column("id", Uuid, primary_key=True),
    instant("started_at", required=True),
    # Moved by the instance at most once a minute.
    instant("last_seen_at", required=True),
)
Index("worker_instance_newest", desc(worker_instance.c.last_seen_at))
