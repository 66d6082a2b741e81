"""The instances of the worker: their signs of life, and whether one has to be woken."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, func
from sqlalchemy.dialects.postgresql import insert

from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import worker_instance

_KEPT = timedelta(days=1)


def note_worker_seen(connection: Connection, instance: UUID) -> None:
    """Note that an instance lives; forget those that were not seen for a day."""
    at = func.statement_timestamp()
    query = insert(worker_instance).values(id=instance, started_at=at, last_seen_at=at)
    connection.execute(
        query.on_conflict_do_update(index_elements=["id"], set_={"last_seen_at": at})
    )
    connection.execute(delete(worker_instance).where(worker_instance.c.last_seen_at < at - _KEPT))


def wanted_errands(
    connection: Connection, *, now: datetime, soon: timedelta, idle: timedelta
) -> Row:
    """Return what a worker is wanted for beside runs, as booleans.

    `warm_up`: a run starts within `soon` and no worker gave a sign of life for `idle`. `look`:
    nothing was heard of a connector for long.
    """
    parameters = {"now": now, "soon": soon, "idle": idle}
    return connection.execute(load_sql("wanted_errands"), parameters).mappings().one()
