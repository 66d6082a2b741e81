"""A queue that stands for Cloud Tasks: named tasks in a table of its own, and faults on demand.

The table is a SQLite file, so that it is as far from the product's database as Cloud Tasks is:
it stays when that one restarts. Every call opens the file anew, since nothing may cross a fork.
"""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.clock import utc_now
from shared.domain.task import TaskFailure, TaskOrder, write_task
from tests.faults.scale import share

_SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    name TEXT PRIMARY KEY,
    -- refused, waiting, out (with a worker), lost, or gone, which leaves the name used.
    state TEXT NOT NULL,
    body BLOB NOT NULL,
    is_interactive INTEGER NOT NULL,
    schedule_time INTEGER NOT NULL,
    deliver_at INTEGER NOT NULL,
    -- Whether it is delivered twice, and whether that is still to come.
    is_twice INTEGER NOT NULL,
    again INTEGER NOT NULL,
    at_once INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    asked INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_due ON task (deliver_at) WHERE state = 'waiting';
"""
_CREATE = """
INSERT INTO task (
    name, state, body, is_interactive, schedule_time, deliver_at, is_twice, again, at_once
)
VALUES (
    :name, :state, :body, :is_interactive, :schedule_time, :deliver_at, :is_twice, :is_twice,
    :at_once
)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, asked = asked + 1
"""
_TAKE = """
UPDATE task SET state = 'out' WHERE name IN (
    SELECT name FROM task WHERE state = 'waiting' AND deliver_at <= :now
    ORDER BY is_interactive DESC, deliver_at LIMIT :most
) RETURNING name, body, at_once, is_twice > again
"""
_ANSWER = """
UPDATE task SET
    state = CASE WHEN :done AND NOT again THEN 'gone' ELSE 'waiting' END,
    again = again AND NOT :done,
    failures = failures + NOT :done,
    deliver_at = :now + CASE WHEN :done THEN 0 ELSE :backoff * min(failures + 1, 10) END
WHERE name = :name AND state = 'out'
"""
_BACKOFF = timedelta(milliseconds=20)
"""Before a task that was not answered comes again; it grows with each time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
PATIENCE = timedelta(seconds=60)
"""How long a call waits for whoever writes: while that one is frozen, so are the others."""


@dataclass(frozen=True, slots=True)
class QueueFaults:
    """The share of tasks that each fault happens to; the seed chooses which."""

    seed: int = 0
    refuse: float = 0.0
    """Not stored; its creator is told so. The next try has another chance."""
    lose_reply: float = 0.0
    """Stored; its creator is told that it was not."""
    lose: float = 0.0
    """Accepted, and never delivered."""
    twice: float = 0.0
    """Delivered again as soon as it was answered."""
    at_once: float = 0.0
    """Delivered to two workers at the same moment."""
    delay: float = 0.0
    """Delivered `hold` late."""
    reorder: float = 0.0
    """Delivered late by a part of `hold`, another one for each."""
    hold: timedelta = timedelta(milliseconds=300)


@dataclass(frozen=True, slots=True)
class DueTask:
    """A task on its way to `at_once` workers."""

    name: str
    body: bytes
    at_once: int
    is_again: bool
    """It was delivered and answered before."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task that waits, as a test looks at it."""

    name: str
    body: bytes
    schedule_time: datetime


class TableQueue:
    """What the flows see of Cloud Tasks, and what a deliverer sees of it."""

    def __init__(
        self, path: Path, faults: QueueFaults | None = None, patience: timedelta = PATIENCE
    ) -> None:
        self._path = path
        self._faults = faults or QueueFaults()
        self._patience = patience
        with self._open() as connection:
            connection.executescript(_SCHEMA)

    def task_name(self, order: TaskOrder) -> str:
        """Return the full name of an order's task."""
        queue = "interactive" if order.is_interactive else "scheduled"
        return f"projects/faults/locations/here/queues/{queue}/tasks/{order.task_id}"

    def enqueue(self, orders: Sequence[TaskOrder]) -> Iterator[TaskOrder | TaskFailure]:
        """Make the tasks one by one; yield each order taken, or why it was not."""
        for order in orders:
            yield self._create(order)

    def order_errand(self, path: str, now: datetime) -> bool:  # noqa: ARG002 (forked workers are warm)
        """Take the order of a warm-up; nothing is delivered."""
        return True

    def take(self, most: int) -> list[DueTask]:
        """Return up to `most` tasks whose time has come; each is out until it is answered."""
        with self._open() as connection:
            rows = connection.execute(_TAKE, {"now": _ticks(utc_now()), "most": most}).fetchall()
        return [DueTask(name, body, at_once, bool(again)) for name, body, at_once, again in rows]

    def answer(self, name: str, *, done: bool) -> None:
        """Note that a worker answered 2xx, or that it did not and the task has to come again."""
        values = {
            "name": name,
            "done": done,
            "now": _ticks(utc_now()),
            "backoff": _BACKOFF // _TICK,
        }
        with self._open() as connection:
            connection.execute(_ANSWER, values)

    def waiting(self) -> list[StoredTask]:
        """Return the tasks that wait for their time or for a worker."""
        query = "SELECT name, body, schedule_time FROM task WHERE state = 'waiting' ORDER BY name"
        with self._open() as connection:
            rows = connection.execute(query).fetchall()
        return [StoredTask(name, body, _EPOCH + ticks * _TICK) for name, body, ticks in rows]

    def count(self, state: str) -> int:
        """Return how many tasks are refused, waiting, out, lost or gone."""
        with self._open() as connection:
            query = "SELECT count(*) FROM task WHERE state = ?"
            return int(connection.execute(query, (state,)).fetchone()[0])

    def purge(self) -> None:
        """Drop what waits; the names stay used."""
        with self._open() as connection:
            connection.execute("UPDATE task SET state = 'gone' WHERE state = 'waiting'")

    def restart_empty(self) -> None:
        """Lose every task and every name."""
        with self._open() as connection:
            connection.execute("DELETE FROM task")

    def _create(self, order: TaskOrder) -> TaskOrder | TaskFailure:
        name = self.task_name(order)
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            query = "SELECT state, asked FROM task WHERE name = ?"
            state, asked = connection.execute(query, (name,)).fetchone() or ("refused", 0)
            if state != "refused":
                return order
            refused = self._hits("refuse", name, asked)
            state = "refused" if refused else "lost" if self._hits("lose", name) else "waiting"
            connection.execute(_CREATE, self._values(order, name, state))
            connection.execute("COMMIT")
        if refused or self._hits("lose_reply", name):
            return TaskFailure(order, "ServiceUnavailable: a fault of the test")
        return order

    def _values(self, order: TaskOrder, name: str, state: str) -> dict[str, object]:
        # Whatever is late joins the end: what came before, and comes again, is not overtaken by it.
        due_at = max(order.schedule_time, utc_now())
        held = float(self._hits("delay", name))
        if self._hits("reorder", name):
            held += share(self._faults.seed, "place", name)
        return {
            "name": name,
            "state": state,
            "body": write_task(order),
            "is_interactive": order.is_interactive,
            "schedule_time": _ticks(order.schedule_time),
            "deliver_at": _ticks(due_at + self._faults.hold * held),
            "is_twice": self._hits("twice", name),
            "at_once": 1 + self._hits("at_once", name),
        }

    def _hits(self, kind: str, *identity: object) -> bool:
        probability: float = getattr(self._faults, kind)
        return probability > 0 and share(self._faults.seed, kind, *identity) < probability

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        wait = self._patience.total_seconds()
        with closing(sqlite3.connect(self._path, timeout=wait, isolation_level=None)) as connection:
            # A process that is killed loses nothing; what a power cut loses nobody misses.
            connection.execute("PRAGMA synchronous = OFF")
            # To make and delete a journal takes longer than the rest of a call.
            connection.execute("PRAGMA journal_mode = PERSIST")
            yield connection


def _ticks(instant: datetime) -> int:
    return (instant - _EPOCH) // _TICK
