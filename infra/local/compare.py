"""Compares a table of a source with its copy in a dataset, by SQL and in full."""

from contextlib import closing
from dataclasses import dataclass

import pg8000.dbapi

from infra.local.ports import HOST
from infra.local.postgres import SUPERUSER, PostgresServer

_SERVER = "compared_source"
_SCHEMA = "compared"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many rows each side has, and how many of a side the other side does not have."""

    columns: int
    source_rows: int
    dataset_rows: int
    missing: int
    """Rows of the source that the dataset does not hold in exactly that form."""
    extra: int
    """Rows of the dataset that the source does not hold in exactly that form."""

    @property
    def is_equal(self) -> bool:
        """Whether both sides hold the same rows, each as often, and any at all."""
        same = self.source_rows == self.dataset_rows
        return same and self.source_rows > 0 and not self.missing and not self.extra

    def __str__(self) -> str:
        return (
            f"source {self.source_rows} rows, dataset {self.dataset_rows} rows, "
            f"all {self.columns} columns compared: "
            f"{self.missing} missing or different, {self.extra} extra"
        )


def compare_tables(
    server: PostgresServer, source: tuple[str, str, str], dataset: tuple[str, str]
) -> Comparison:
    """Compare `source` (database, schema, table) with `dataset` (database, schema).

    The table is called the same in both; columns that only the dataset has are the loader's own.
    """
    source_database, source_schema, table = source
    dataset_database, dataset_schema = dataset
    connection = pg8000.dbapi.connect(
        SUPERUSER, host=HOST, port=server.port, database=dataset_database
    )
    # Nothing is committed, so that the link is gone with the connection.
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute("CREATE EXTENSION IF NOT EXISTS postgres_fdw")
        cursor.execute(
            f"CREATE SERVER {_SERVER} FOREIGN DATA WRAPPER postgres_fdw OPTIONS "
            f"(host '{HOST}', port '{server.port}', dbname '{source_database}')"
        )
        cursor.execute(
            f"CREATE USER MAPPING FOR {SUPERUSER} SERVER {_SERVER} OPTIONS (user '{SUPERUSER}')"
        )
        cursor.execute(f"CREATE SCHEMA {_SCHEMA}")
        cursor.execute(
            f'IMPORT FOREIGN SCHEMA "{source_schema}" LIMIT TO ("{table}") '
            f"FROM SERVER {_SERVER} INTO {_SCHEMA}"
        )
        return _compare(cursor, f'{_SCHEMA}."{table}"', f'"{dataset_schema}"."{table}"')


def _compare(cursor: pg8000.dbapi.Cursor, source: str, dataset: str) -> Comparison:
    cursor.execute(f"SELECT * FROM {source} LIMIT 0")
    names = [str(column[0]) for column in cursor.description or ()]
    columns = ", ".join(f'"{name}"' for name in names)
    ours, theirs = f"SELECT {columns} FROM {source}", f"SELECT {columns} FROM {dataset}"
    return Comparison(
        columns=len(names),
        source_rows=_count(cursor, ours),
        dataset_rows=_count(cursor, theirs),
        missing=_count(cursor, f"{ours} EXCEPT ALL {theirs}"),
        extra=_count(cursor, f"{theirs} EXCEPT ALL {ours}"),
    )


def _count(cursor: pg8000.dbapi.Cursor, query: str) -> int:
    cursor.execute(f"SELECT count(*) FROM ({query}) AS counted")
    return cursor.fetchall()[0][0]
