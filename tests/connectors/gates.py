"""Statements that wait until a test lets them through: views and locks of two servers."""

import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager

import psycopg2

from tests.connectors.databases import MariaDb, Postgres

_SECONDS = 30
_KEY = 20_406_080
_WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted"
_WAITS_IN_MARIADB = (
    "SELECT 1 FROM information_schema.processlist WHERE state = 'User lock' AND id <>"
    " connection_id()"
)

Waits = Callable[[], bool]
"""Tells whether somebody stands before the gate."""


@contextmanager
def gated_view(source: Postgres, name: str = "orders") -> Generator[Waits]:
    """Make a view of one row that is not read before the block ends."""
    source.execute(
        f"CREATE VIEW {name} AS SELECT 1 AS id, 1 AS changed, pg_advisory_lock({_KEY})::text AS x"
    )
    with closing(psycopg2.connect(source.dsn)) as holder, holder.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({_KEY})")
        yield lambda: bool(source.rows(_WAITS))


@contextmanager
def gated_mariadb_view(source: MariaDb, name: str = "orders") -> Generator[Waits]:
    """Make a view of one row that is not read before the block ends."""
    gate = f"{source.database}.gate"
    source.execute(
        f"CREATE VIEW {name} AS SELECT 1 AS id, 1 AS changed, GET_LOCK('{gate}', 600) AS x"
    )
    with source._connect() as holder, holder.cursor() as cursor:
        cursor.execute(f"SELECT GET_LOCK('{gate}', 0)")
        yield lambda: bool(source.rows(_WAITS_IN_MARIADB))


@contextmanager
def gated_table(dataset: Postgres, table: str) -> Generator[Waits]:
    """Let nobody read or write a table before the block ends."""
    with closing(psycopg2.connect(dataset.dsn)) as holder, holder.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield lambda: bool(dataset.rows(_WAITS))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fail if it does not come to be."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
