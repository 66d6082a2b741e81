"""What is in a dataset: its tables with their sizes, seen with a bounded effort."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import psycopg2
from psycopg2.errors import QueryCanceled
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import parse_dsn, quote_ident

from shared.connectors.postgres import connect
from shared.domain.dataset import REJECTS_TABLE
from shared.domain.run import Reason
from shared.egress.lines import Lines
from shared.errors import TransientError

_COUNTED_ROWS = 1_000_000
"""Tables with more rows are not counted, as nobody waits for it."""
_PATIENCE = timedelta(seconds=5)
_TABLES = """
SELECT c.relname, c.reltuples::bigint, pg_total_relation_size(c.oid)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE %s
ORDER BY c.relname
"""
_TABLES_OF_DLT = r"\_dlt\_%"


@dataclass(frozen=True, slots=True)
class DatasetPlace:
    """Where the datasets are; a value is None if the connection's settings leave it to libpq."""

    host: str | None
    port: int
    database: str | None


@dataclass(frozen=True, slots=True)
class DatasetTable:
    """One table: `rows` is None if nobody knows, and an estimate if `is_estimate`."""

    name: str
    rows: int | None
    is_estimate: bool
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DatasetView:
    """The tables of a dataset by name, and how many records were rejected and are kept."""

    tables: Sequence[DatasetTable]
    rejects: int


def place_of(dataset_url: str) -> DatasetPlace:
    """Return where a URL in libpq's form leads; nothing of it is secret."""
    parts = parse_dsn(dataset_url)
    return DatasetPlace(parts.get("host"), int(parts.get("port") or 5432), parts.get("dbname"))


def look_at_dataset(dataset_url: str, schema: str) -> DatasetView:
    """Return what a schema holds; empty if it is not there yet.

    Raises `TransientError` if the database cannot be reached or takes too long.
    """
    lines = Lines()
    try:
        with lines.watched(), closing(connect(lines, dataset_url)) as connection:
            connection.set_session(readonly=True, autocommit=True)
            with connection.cursor() as cursor:
                milliseconds = str(_PATIENCE // timedelta(milliseconds=1))
                cursor.execute("SELECT set_config('statement_timeout', %s, false)", (milliseconds,))
                tables = list(_tables(connection, cursor, schema))
    except psycopg2.Error as error:
        raise TransientError(
            f"The dataset's database did not answer ({type(error).__name__}).",
            code=Reason.DATASET_UNAVAILABLE,
        ) from None
    rejects = next((table.rows for table in tables if table.name == REJECTS_TABLE), None)
    return DatasetView([table for table in tables if table.name != REJECTS_TABLE], rejects or 0)


def _tables(connection: Connection, cursor: Cursor, schema: str) -> Iterator[DatasetTable]:
    cursor.execute(_TABLES, (schema, _TABLES_OF_DLT))
    for name, estimate, size in cursor.fetchall():
        is_large = estimate > _COUNTED_ROWS
        qualified = f"{quote_ident(schema, connection)}.{quote_ident(name, connection)}"
        counted = None if is_large else _counted(cursor, qualified)
        known = None if estimate < 0 else estimate
        rows = known if counted is None else counted
        yield DatasetTable(name, rows, counted is None, size)


def _counted(cursor: Cursor, qualified: str) -> int | None:
    """Return the number of rows, or None if counting them takes too long."""
    try:
        cursor.execute(f"SELECT count(*) FROM {qualified}")
    except QueryCanceled:
        return None
    (count,) = cursor.fetchone() or (None,)
    return count
