"""What the server knows of its tables: the views of `sys`, as tables of DuckDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from tests.connectors.database.sqlserver.server.types import SqlType

_SCRIPT = """
SET TimeZone = 'UTC';
CREATE SCHEMA dbo;
CREATE SCHEMA sys;
CREATE SEQUENCE sys.versions START 2001;
CREATE TABLE sys.open_versions (version BIGINT);
CREATE MACRO dbo.min_active_rowversion() AS (SELECT coalesce(min(version), 9223372036854775807)
    FROM sys.open_versions);
CREATE TABLE sys.schemas (name VARCHAR, schema_id INTEGER);
CREATE TABLE sys.objects (name VARCHAR, object_id INTEGER, schema_id INTEGER, type VARCHAR);
CREATE TABLE sys.columns (object_id INTEGER, column_id INTEGER, name VARCHAR, user_type_id
    INTEGER, is_nullable BOOLEAN, max_length SMALLINT, precision UTINYINT, scale UTINYINT,
    collation_name VARCHAR, default_object_id INTEGER);
CREATE TABLE sys.types (name VARCHAR, system_type_id INTEGER, user_type_id INTEGER);
CREATE TABLE sys.key_constraints (name VARCHAR, type VARCHAR, parent_object_id INTEGER,
    unique_index_id INTEGER);
CREATE TABLE sys.indexes (object_id INTEGER, index_id INTEGER, type UTINYINT);
CREATE TABLE sys.index_columns (object_id INTEGER, index_id INTEGER, column_id INTEGER,
    key_ordinal UTINYINT);
CREATE TABLE sys.default_constraints (object_id INTEGER, parent_column_id INTEGER, definition
    VARCHAR);
CREATE TABLE sys.computed_columns (object_id INTEGER, column_id INTEGER, definition VARCHAR,
    is_persisted BOOLEAN);
CREATE TABLE sys.identity_columns (object_id INTEGER, column_id INTEGER, is_identity BOOLEAN,
    seed_value BIGINT, increment_value BIGINT);
CREATE TABLE sys.extended_properties (class UTINYINT, major_id INTEGER, minor_id INTEGER, name
    VARCHAR, value VARCHAR);
CREATE SCHEMA ischema;
CREATE VIEW ischema.schemata AS SELECT name AS schema_name FROM sys.schemas;
CREATE VIEW ischema.tables AS SELECT s.name AS table_schema, o.name AS table_name, CASE o.type
    WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END AS table_type FROM sys.objects o JOIN sys.schemas
    s USING (schema_id);
"""
_SCHEMAS = ("dbo", "guest", "INFORMATION_SCHEMA", "sys", "db_owner", "db_datareader")
_TYPES = [
    "bigint",
    "int",
    "smallint",
    "tinyint",
    "bit",
    "decimal",
    "numeric",
    "money",
    "smallmoney",
    "float",
    "real",
    "datetime",
    "smalldatetime",
    "datetime2",
    "datetimeoffset",
    "date",
    "time",
    "uniqueidentifier",
    "char",
    "varchar",
    "nchar",
    "nvarchar",
    "binary",
    "varbinary",
    "timestamp",
    "text",
    "ntext",
    "image",
    "xml",
    "sql_variant",
    "hierarchyid",
    "geography",
]
_WIDE = ("nchar", "nvarchar")
_TEXTS = ("char", "varchar", "nchar", "nvarchar", "text", "ntext")


@dataclass(frozen=True, slots=True)
class Declared:
    """One column of a table or view."""

    name: str
    type: SqlType
    is_nullable: bool = True


class Catalog:
    """The tables and views that were declared."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        database.execute(_SCRIPT)
        self._database = database
        self._tables: dict[tuple[str, str], Sequence[Declared]] = {}
        for schema in _SCHEMAS:
            self.add_schema(schema)
        for number, name in enumerate(_TYPES, 1):
            database.execute("INSERT INTO sys.types VALUES (?, ?, ?)", [name, number, number])

    def add_schema(self, name: str) -> None:
        count = "(SELECT count(*) FROM sys.schemas)"
        self._database.execute(f"INSERT INTO sys.schemas VALUES (?, {count})", [name])

    def add(
        self, schema: str, name: str, columns: Sequence[Declared], key: Sequence[str], kind: str
    ) -> None:
        """Take in a table (`U`) or a view (`V`)."""
        run = self._database.execute
        self._tables[schema.lower(), name.lower()] = columns
        number = 1000 + len(self._tables)
        run(
            "INSERT INTO sys.objects SELECT ?, ?, schema_id, ? FROM sys.schemas WHERE name = ?",
            [name, number, kind, schema],
        )
        for place, column in enumerate(columns, 1):
            run(
                "INSERT INTO sys.columns SELECT ?, ?, ?, user_type_id, ?, ?, ?, ?, ?, 0"
                " FROM sys.types WHERE name = ?",
                [
                    *(number, place, column.name, column.is_nullable),
                    *_sizes(column.type),
                    column.type.name,
                ],
            )
        if key:
            self._add_key(number, name, [column.name for column in columns], key)

    def _add_key(self, number: int, name: str, names: Sequence[str], key: Sequence[str]) -> None:
        run = self._database.execute
        run("INSERT INTO sys.key_constraints VALUES (?, 'PK', ?, 1)", [f"PK_{name}", number])
        run("INSERT INTO sys.indexes VALUES (?, 1, 1)", [number])
        for ordinal, column in enumerate(key, 1):
            place = names.index(column) + 1
            run("INSERT INTO sys.index_columns VALUES (?, 1, ?, ?)", [number, place, ordinal])

    def forget(self, schema: str, name: str) -> None:
        """Let a table be gone."""
        self._tables.pop((schema.lower(), name.lower()), None)
        self._database.execute("DELETE FROM sys.objects WHERE lower(name) = ?", [name.lower()])

    def columns_of(self, schema: str, name: str) -> Mapping[str, SqlType]:
        """Return the types of a table's columns by their names; none for a table of `sys`."""
        columns = self._tables.get((schema.lower(), name.lower()), ())
        return {column.name.lower(): column.type for column in columns}


def _sizes(kind: SqlType) -> tuple[int, int, int, str | None]:
    """Return what `sys.columns` says of a type: bytes, digits, places, and collation."""
    size = kind.length * (2 if kind.name in _WIDE and kind.length > 0 else 1)
    collation = "SQL_Latin1_General_CP1_CI_AS" if kind.name in _TEXTS else None
    return size, kind.precision, kind.scale, collation
