"""The dispatcher's passes, and the database's clock that decides what is due."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, text, update

from shared.store.tables import tick

_AS_OF = text("SELECT coalesce(CAST(:now AS timestamptz), statement_timestamp())")


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one pass did; counts of runs, but `due` and `set_aside` count schedules."""

    rescued: int = 0
    due: int = 0
    claimed: int = 0
    skipped: int = 0
    set_aside: int = 0
    enqueued: int = 0
    enqueue_failures: int = 0
    drift: timedelta = timedelta(0)
    is_complete: bool = True


def as_of(connection: Connection, now: datetime | None) -> datetime:
    """Return `now`, or the database's clock when it is None."""
    return connection.execute(_AS_OF, {"now": now}).scalar_one()


def begin_tick(connection: Connection, at: datetime) -> int:
    """Write the row of a pass that begins and return its key."""
    query = insert(tick).values(as_of=at).returning(tick.c.id)
    return connection.execute(query).scalar_one()


def complete_tick(
    connection: Connection,
    tick_id: int,
    report: TickReport,
    completed_at: datetime,
    took: timedelta,
) -> None:
    """Write what the pass did."""
    values = asdict(report)
    values["drift_ms"] = values.pop("drift") // timedelta(milliseconds=1)
    values["duration_ms"] = took // timedelta(milliseconds=1)
    values["completed_at"] = completed_at
    connection.execute(update(tick).where(tick.c.id == tick_id).values(values))
