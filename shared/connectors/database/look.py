"""What a source has to offer, and whether what is selected of it can be read: without dlt."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, cast

from sqlalchemy import Column, Connection, Inspector, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope
from sqlalchemy.exc import SAWarning

from shared.connectors.access_failures import access_failure
from shared.connectors.base import (
    Offer,
    SourceAccess,
    SourceColumn,
    SourceStream,
    StreamFailure,
)
from shared.connectors.database.columns import plan_column
from shared.connectors.database.config import DatabaseConfig, StreamConfig
from shared.connectors.database.engine import source_engine
from shared.connectors.database.plans import ColumnPlan, Kind
from shared.connectors.database.sqlite_dialect import ROWS_SEEN
from shared.connectors.database.table import can_be_cursor, plan_table
from shared.connectors.looking import failures_of, offer_within

_AT_ONCE = 50
"""How many tables a look asks the database for, where it can tell of several at once."""
_ROWS_SEEN = 10_000
"""In how many rows of a table a look finds the types of its values, where only they tell."""
_SYSTEM_SCHEMAS = frozenset({"information_schema", "sys", "guest"})
_SYSTEM_PREFIXES = ("pg_", "db_")
_CHANGES = re.compile(r"(updat|modif|chang|mutat|edit|rowversion|mtime|sync)", re.IGNORECASE)
"""Names of columns that move with every change of their row."""


def check(access: SourceAccess) -> Sequence[StreamFailure]:
    """Log in, and prepare what a sync would read of each table, without a row of it.

    Returns the tables that cannot be read. Raises `TransientError` or `PermanentError` if none
    could, since the database cannot be reached or used.
    """
    config = cast("DatabaseConfig", access.config)
    try:
        with access.lines.watched(), _connected(access, config) as connection:
            looks = ((one.table, partial(_prove, connection, one)) for one in config.streams)
            return failures_of(access, looks, lambda _: connection.invalidated)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise access_failure(error) from None


def _prove(connection: Connection, stream: StreamConfig) -> None:
    """Prepare what a sync would read of a table; raises whatever keeps it from that."""
    try:
        table = plan_table(connection, stream)
        table.end(connection)
        connection.execute(table.query.limit(0)).close()
    finally:
        if not connection.invalidated:
            connection.rollback()


def offered_streams(access: SourceAccess) -> Offer:
    """Return the tables and views of the database that the login may see, by schema and name.

    Raises `TransientError` or `PermanentError`.
    """
    config = cast("DatabaseConfig", access.config)
    try:
        with (
            access.lines.watched(),
            _connected(access, config) as connection,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", SAWarning)  # a type it does not know is read as text
            inspector = inspect(connection)
            streams = (_streams(inspector, schema) for schema in _schemas(inspector))
            return offer_within(access, chain.from_iterable(streams))
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise access_failure(error) from None


def _connected(access: SourceAccess, config: DatabaseConfig) -> Connection:
    engine = source_engine(config, access.guard, access.lines, access.files)
    return engine.connect().execution_options(**{ROWS_SEEN: _ROWS_SEEN})


def _schemas(inspector: Inspector) -> Sequence[str | None]:
    """Return the schemas to look into, that of the login first, as None."""
    if inspector.dialect.name not in ("postgresql", "mssql"):
        return [None]  # a schema is a database of its own there, and the URL names one
    own = inspector.default_schema_name
    others = [
        name
        for name in sorted(inspector.get_schema_names())
        if name != own
        and name.lower() not in _SYSTEM_SCHEMAS
        and not name.lower().startswith(_SYSTEM_PREFIXES)
    ]
    return [None, *others]


def _streams(inspector: Inspector, schema: str | None) -> Iterator[SourceStream]:
    names = _names(inspector, schema)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        columns = inspector.get_multi_columns(
            schema, filter_names=some, kind=ObjectKind.ANY, scope=ObjectScope.ANY
        )
        keys = inspector.get_multi_pk_constraint(schema, filter_names=some, kind=ObjectKind.TABLE)
        for table in sorted(columns, key=lambda table: table[1]):
            constraint = cast("Mapping[str, Any]", keys.get(table) or {})
            key = tuple(constraint.get("constrained_columns") or ())
            kind = "table" if table in keys else "view"
            yield _stream(kind, table, columns[table], key, inspector.dialect.name)


def _names(inspector: Inspector, schema: str | None) -> Sequence[str]:
    names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    with suppress(NotImplementedError):  # a database that has none
        names += inspector.get_materialized_view_names(schema)
    return sorted(names)


def _stream(
    kind: str,
    table: tuple[str | None, str],
    columns: Sequence[ReflectedColumn],
    key: tuple[str, ...],
    dialect: str,
) -> SourceStream:
    schema, name = table
    plans = {column["name"]: _plan(column, dialect) for column in columns}
    cursors = sorted(
        (name for name, plan in plans.items() if _may_grow(plan, key)),
        key=lambda name: (_rank(plans[name]), name),
    )
    changing = [name for name in cursors if _moves(plans[name])]
    settings: dict[str, object] = {"table": name}
    if key:
        settings["primary_key"] = list(key)
    if schema is not None:
        settings["schema"] = schema
    if changing:
        settings["cursor"] = changing[0]
    return SourceStream(
        name=name if schema is None else f"{schema}.{name}",
        kind=kind,
        primary_key=key,
        cursors=tuple(cursors),
        columns=tuple(
            SourceColumn(column["name"], str(column["type"]), is_nullable=column["nullable"])
            for column in columns
        ),
        settings=settings,
    )


def _plan(column: ReflectedColumn, dialect: str) -> ColumnPlan:
    found = Column[Any](column["name"], column["type"], nullable=column["nullable"])
    return plan_column(found, dialect)


def _may_grow(plan: ColumnPlan, key: tuple[str, ...]) -> bool:
    """Tell whether a column may move with every change, or at least with every new row."""
    if not can_be_cursor(plan) or plan.kind is Kind.TEXT:
        return False
    is_time = plan.kind in (Kind.TIMESTAMP, Kind.DATE)
    return is_time or _moves(plan) or key == (plan.name,)


def _moves(plan: ColumnPlan) -> bool:
    return plan.moves or bool(_CHANGES.search(plan.name))


def _rank(plan: ColumnPlan) -> int:
    if plan.moves:
        return 0
    if _moves(plan):
        return 1 if plan.kind is Kind.TIMESTAMP else 2
    return 3 if plan.kind is Kind.TIMESTAMP else 4
