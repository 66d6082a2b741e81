"""The data of the server, in DuckDB, and what its statements do."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from tests.connectors.database.sqlserver.server.catalog import Catalog, Declared
from tests.connectors.database.sqlserver.server.dialect import selected, translated, type_of
from tests.connectors.database.sqlserver.server.types import SqlType

_Named = Sequence[tuple[str, SqlType | None]]
_BATCH = 500
_IGNORED = (exp.Set, exp.Transaction, exp.Commit, exp.Rollback, exp.Use)
_NUMBERS: tuple[tuple[type[Exception], int], ...] = (
    (duckdb.CatalogException, 208),
    (duckdb.BinderException, 207),
    (duckdb.ParserException, 102),
    (sqlglot.errors.ParseError, 102),
    (duckdb.ConversionException, 245),
)
_CONSTRAINT_VIOLATED = 2627


class SqlError(Exception):
    """What a server says when it does not do what it is asked."""

    def __init__(self, number: int, severity: int = 16) -> None:
        super().__init__(f"Message {number} of the server, which no one else may see")
        self.number = number
        self.severity = severity


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of one query, as they are computed."""

    names: Sequence[str]
    types: Sequence[SqlType]
    rows: Iterator[Sequence[Any]]


class Store:
    """One database."""

    def __init__(self) -> None:
        self._database = duckdb.connect(":memory:", config={"threads": 1})
        self._catalog = Catalog(self._database)
        self._lock = threading.Lock()
        self._translations: dict[tuple[str, int], tuple[_Named, str]] = {}
        """By the batch in which a query stands, and its place there."""

    def close(self) -> None:
        self._database.close()

    def duck(self, statement: str) -> None:
        """Run a statement of DuckDB, which has more ways to fill a table."""
        with self._lock:
            self._database.cursor().execute(f"SET schema = 'dbo'; {statement}")

    def open_version(self) -> int:
        """Give the next rowversion to a row that no one sees until its transaction ends."""
        with self._lock:
            cursor = self._database.cursor()
            (found,) = cursor.execute("SELECT nextval('sys.versions')").fetchone() or (0,)
            cursor.execute("INSERT INTO sys.open_versions VALUES (?)", [found])
        return found

    def close_version(self, version: int) -> None:
        """End the transaction of a row."""
        with self._lock:
            self._database.cursor().execute(
                "DELETE FROM sys.open_versions WHERE version = ?", [version]
            )

    def run(self, text: str, parameters: Mapping[str, Any]) -> Iterator[Result]:
        """Run a batch of T-SQL and yield the results of its queries; raise `SqlError`."""
        try:
            for place, statement in enumerate(_parsed(text)):
                if statement is None or isinstance(statement, _IGNORED):
                    continue
                with self._lock:
                    result = self._done(statement, parameters, (text, place))
                if result is not None:
                    yield result
        except duckdb.ConstraintException as error:
            raise SqlError(_CONSTRAINT_VIOLATED, 14) from error
        except (duckdb.Error, sqlglot.errors.ParseError) as error:
            number = next((number for kind, number in _NUMBERS if isinstance(error, kind)), 8180)
            raise SqlError(number) from error

    def _done(
        self, statement: exp.Expr, parameters: Mapping[str, Any], name: tuple[str, int]
    ) -> Result | None:
        if isinstance(statement, exp.Create | exp.Drop):
            self._translations.clear()  # a table may have other types from now on
        match statement:
            case exp.Create(kind="SCHEMA"):
                schema = statement.this.db
                self._catalog.add_schema(schema)
                self._execute(f'CREATE SCHEMA "{schema}"')
            case exp.Create(kind="TABLE"):
                self._create_table(statement)
            case exp.Create(kind="VIEW"):
                self._create_view(statement)
            case exp.Drop():
                table = statement.this
                self._catalog.forget(table.db or "dbo", table.name)
                self._execute(statement.sql(dialect="duckdb"))
            case exp.Query():
                return self._selected(statement, parameters, name)
            case _:
                self._execute(translated(statement, self._catalog), parameters)
        return None

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._database.cursor()
        cursor.execute("SET schema = 'dbo'; SET TimeZone = 'UTC'")
        return cursor

    def _execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        self._cursor().execute(statement, _used(statement, parameters or {}))

    def _selected(
        self, query: exp.Query, parameters: Mapping[str, Any], name: tuple[str, int]
    ) -> Result:
        if name not in self._translations:
            found = selected(query, self._catalog), translated(query, self._catalog)
            self._translations[name] = found
        named, text = self._translations[name]
        cursor = self._cursor()
        batches = cursor.sql(text, params=_used(text, parameters)).to_arrow_reader(_BATCH)
        types = [
            known or _type_in_arrow(kind)
            for (_, known), kind in zip(named, batches.schema.types, strict=True)
        ]
        return Result([name for name, _ in named], types, _rows(batches, cursor))

    def _create_table(self, create: exp.Create) -> None:
        place, parts = create.this.this, create.this.expressions
        columns, key = _declared(parts)
        schema, name = place.db or "dbo", place.name
        stored = ", ".join(
            f'"{column.name}" {column.type.stored_as}{_constraint(column)}' for column in columns
        )
        if key:
            stored += ", PRIMARY KEY (" + ", ".join(f'"{column}"' for column in key) + ")"
        self._execute(f'CREATE TABLE "{schema}"."{name}" ({stored})')
        self._catalog.add(schema, name, columns, key, "U")

    def _create_view(self, create: exp.Create) -> None:
        query, place = create.expression, create.this
        named = selected(query, self._catalog)
        self._execute(translated(create, self._catalog))
        columns = [Declared(name, known or SqlType("int")) for name, known in named]
        self._catalog.add(place.db or "dbo", place.name, columns, (), "V")


@lru_cache
def _parsed(text: str) -> Sequence[exp.Expr | None]:
    """Return the statements of a batch; the same ones come again and again."""
    return sqlglot.parse(text, read="tsql")


def _used(statement: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the parameters that a statement has: DuckDB takes no others, and none as None."""
    found = re.findall(r"\$(\w+)", statement)
    return {name: parameters[name] for name in found if name in parameters} or None


def _declared(parts: Sequence[exp.Expr]) -> tuple[list[Declared], list[str]]:
    columns: list[Declared] = []
    key: list[str] = []
    for part in parts:
        if isinstance(part, exp.ColumnDef):
            kinds = [one.kind for one in part.args.get("constraints") or ()]
            is_key = any(isinstance(kind, exp.PrimaryKeyColumnConstraint) for kind in kinds)
            is_given = any(
                isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null")
                for kind in kinds
            )
            kind = type_of(part.args["kind"])
            columns.append(Declared(part.name, kind, is_nullable=not (is_key or is_given)))
            key += [part.name] if is_key else []
        else:
            found = part.find(exp.PrimaryKey)
            key += [column.name for column in found.find_all(exp.Identifier)] if found else []
    return columns, key


def _constraint(column: Declared) -> str:
    if column.type.name == "timestamp":
        return " DEFAULT unhex(printf('%016x', nextval('sys.versions')))"
    return "" if column.is_nullable else " NOT NULL"


def _type_in_arrow(kind: pa.DataType) -> SqlType:  # noqa: PLR0911 (a table)
    if pa.types.is_boolean(kind):
        return SqlType("bit")
    if pa.types.is_int64(kind):
        return SqlType("bigint")
    if pa.types.is_integer(kind):
        return SqlType("int")
    if pa.types.is_decimal(kind):
        return SqlType("decimal", precision=kind.precision, scale=kind.scale)
    if pa.types.is_floating(kind):
        return SqlType("float")
    if pa.types.is_timestamp(kind):
        return SqlType("datetime2", scale=6)
    return SqlType("nvarchar", length=-1)


def _rows(batches: pa.RecordBatchReader, cursor: object) -> Iterator[Sequence[Any]]:
    for batch in batches:
        yield from zip(*(_values(column) for column in batch.columns), strict=True)
    del cursor  # it is kept until here: the rows are its own


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.int64()).to_pylist()
    return column.to_pylist()
