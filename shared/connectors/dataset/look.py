"""What is in a dataset: its tables with their sizes, seen with a bounded effort."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import psycopg2
from psycopg2.errors import LockNotAvailable, QueryCanceled, UndefinedTable
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import quote_ident

from shared.clock import monotonic
from shared.connectors.postgres import connect
from shared.domain.dataset import REJECTS_TABLE
from shared.domain.run import Reason
from shared.egress.lines import Lines
from shared.errors import TransientError

MOST_TABLES = 1_000
_COUNTED_ROWS = 100_000
_COUNTED_BYTES = 64 * 1024 * 1024
"""What is larger is not counted: PostgreSQL's own estimate is as good, and costs nothing."""
_PATIENCE = timedelta(seconds=5)
"""For the list of tables, and then for all counts together."""
_LONGEST_COUNT = timedelta(seconds=1)
_LONGEST_LOCK = timedelta(milliseconds=300)
"""A load that changes a table's columns holds it until its merge commits."""
_TABLES = """
SELECT c.relname, c.reltuples::bigint, {size}
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE %s
ORDER BY c.relname = %s DESC, c.relname
LIMIT %s
"""
_SIZE = "coalesce(pg_total_relation_size(c.oid), 0)"
"""Nothing of a table that was dropped meanwhile."""
_SIZE_LAST_SEEN = "c.relpages * current_setting('block_size')::bigint"
"""Without indexes and long values, as of the last VACUUM: for which no table has to be opened."""
_TABLES_OF_DLT = r"\_dlt\_%"


_BUSY = (QueryCanceled, LockNotAvailable)


@dataclass(frozen=True, slots=True)
class DatasetTable:
    """One table: `rows` is None if nobody knows, and an estimate if `is_estimate`.

    `modified_at` is when something last changed in it, where the database keeps that.
    """

    name: str
    rows: int | None
    is_estimate: bool
    size_bytes: int
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DatasetView:
    """The tables of a dataset by name, and the one of records that were rejected, if it is there.

    `is_truncated` tells that there are more than `MOST_TABLES`.
    """

    tables: Sequence[DatasetTable]
    rejects: DatasetTable | None
    is_truncated: bool


def look_at_dataset(dataset_url: str, schema: str) -> DatasetView:
    """Return what a schema holds; empty if it is not there yet.

    Small tables are counted while there is time, of the others the database's estimate is told.
    Raises `TransientError` if the database cannot be reached or takes too long.
    """
    lines = Lines()
    try:
        with lines.watched(), closing(connect(lines, dataset_url)) as connection:
            connection.set_session(readonly=True, autocommit=True)
            with connection.cursor() as cursor:
                tables = list(_tables(connection, cursor, schema))
    except psycopg2.Error as error:
        raise TransientError(
            f"The datasets' database did not answer ({type(error).__name__}).",
            code=Reason.DATASET_UNAVAILABLE,
        ) from None
    own = [table for table in tables if table.name != REJECTS_TABLE]
    rejects = next((table for table in tables if table.name == REJECTS_TABLE), None)
    return DatasetView(own[:MOST_TABLES], rejects, len(own) > MOST_TABLES)


def _tables(connection: Connection, cursor: Cursor, schema: str) -> Iterator[DatasetTable]:
    found = _listed(cursor, schema)
    until = monotonic() + _PATIENCE.total_seconds()
    for name, estimate, size in found:
        left = timedelta(seconds=until - monotonic())
        counted = None
        if estimate <= _COUNTED_ROWS and size <= _COUNTED_BYTES and left > timedelta(0):
            _allow(cursor, min(left, _LONGEST_COUNT))
            qualified = f"{quote_ident(schema, connection)}.{quote_ident(name, connection)}"
            counted = _counted(cursor, qualified)
        known = None if estimate < 0 else estimate
        yield DatasetTable(name, known if counted is None else counted, counted is None, size)


def _listed(cursor: Cursor, schema: str) -> Sequence[tuple[str, int, int]]:
    """Return name, estimated rows and size of each table."""
    # Rejects come first, and beside the others one more tells that there are more.
    parameters = (schema, _TABLES_OF_DLT, REJECTS_TABLE, MOST_TABLES + 2)
    _allow(cursor, _PATIENCE)
    try:
        cursor.execute(_TABLES.format(size=_SIZE), parameters)
    except _BUSY:
        cursor.execute(_TABLES.format(size=_SIZE_LAST_SEEN), parameters)
    return cast("Sequence[tuple[str, int, int]]", cursor.fetchall())


def _allow(cursor: Cursor, duration: timedelta) -> None:
    cursor.execute(
        "SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false)",
        (_milliseconds(duration), _milliseconds(_LONGEST_LOCK)),
    )


def _milliseconds(duration: timedelta) -> str:
    return str(max(1, duration // timedelta(milliseconds=1)))


def _counted(cursor: Cursor, qualified: str) -> int | None:
    """Return the number of rows, or None if counting them takes too long or it is gone by now."""
    try:
        cursor.execute(f"SELECT count(*) FROM {qualified}")
    except (*_BUSY, UndefinedTable):
        return None
    (count,) = cursor.fetchone() or (None,)
    return count
