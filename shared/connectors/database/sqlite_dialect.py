"""SQLAlchemy's dialect of SQLite, with columns typed by what is in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import URL, Connection, column, func, select, table
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import ConnectArgsType, IsolationLevel, ReflectedColumn

from shared.connectors.database.sqlite_types import stored_type

ROWS_SEEN = "rows_seen"
"""Option of a connection that only looks: in how many rows the types of values are found."""
_AT_ONCE = 4
"""Columns that one pass over a table looks at: it keeps note of each combination that it meets."""


class SourceDialect(SQLiteDialect_pysqlite):
    """Reads files of which nobody knows who wrote them."""

    supports_statement_cache = True

    def on_connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] (None is allowed)
        """Add no functions to a connection, which a view of the file could call."""

    def get_default_isolation_level(self, dbapi_conn: object) -> IsolationLevel:  # noqa: ARG002
        """Return the level that SQLite always has, for a file that nobody else has in memory."""
        return "SERIALIZABLE"

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """Return the path as it is written: the folder that it is below is no affair of a URL."""
        return [url.database or ""], {}

    def get_columns(  # pyright: ignore[reportIncompatibleMethodOverride] (SQLAlchemy decorates it)
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedColumn]:
        """Return the columns of a table or view; raise `NoSuchTableError`.

        It looks at every value's class, which takes a small part of what reading them does; with
        the option `ROWS_SEEN` at those of so many rows.
        """
        columns: list[ReflectedColumn] = super().get_columns(connection, table_name, schema, **kw)
        declared = _declared_types(connection, table_name, schema)
        names = [one["name"] for one in columns]
        classes = _classes(connection, table_name, schema, names)
        for one in columns:
            one["type"] = stored_type(declared.get(one["name"], ""), classes[one["name"]])
        return columns


def _declared_types(connection: Connection, name: str, schema: str | None) -> Mapping[str, str]:
    quote = connection.dialect.identifier_preparer.quote_identifier
    rows = connection.exec_driver_sql(
        f"PRAGMA {quote(schema or 'main')}.table_xinfo({quote(name)})"
    )
    return {row.name: row.type for row in rows}


def _classes(
    connection: Connection, name: str, schema: str | None, columns: Sequence[str]
) -> Mapping[str, frozenset[str]]:
    """Return the classes of the values of each column, without that of NULL."""
    source = table(name, *map(column, columns), schema=schema)
    most: int | None = connection.get_execution_options().get(ROWS_SEEN)
    found: dict[str, frozenset[str]] = {}
    for start in range(0, len(columns), _AT_ONCE):
        part = columns[start : start + _AT_ONCE]
        values = select(*(source.c[one] for one in part)).limit(most).subquery()
        rows = connection.execute(select(*map(func.typeof, values.c)).distinct()).all()
        for number, one in enumerate(part):
            found[one] = frozenset(row[number] for row in rows) - {"null"}
    return found
