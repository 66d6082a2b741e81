"""What a source has to offer, and whether what is selected of it can be read: without dlt."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Column, Connection, Inspector, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import ObjectKind

from shared.connectors.access_failures import access_failure
from shared.connectors.base import SourceAccess, SourceColumn, SourceStream, StreamFailure
from shared.connectors.database.columns import plan_column
from shared.connectors.database.config import DatabaseConfig, StreamConfig
from shared.connectors.database.engine import source_engine
from shared.connectors.database.plans import ColumnPlan, Kind
from shared.connectors.database.table import can_be_cursor, plan_table
from shared.errors import PermanentError, TransientError

MOST_STREAMS = 2_000
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
    engine = source_engine(config, access.guard, access.lines, access.files)
    try:
        with access.lines.watched(), engine.connect() as connection:
            return list(_failures(connection, config.streams))
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise access_failure(error) from None


def _failures(connection: Connection, streams: Sequence[StreamConfig]) -> Iterator[StreamFailure]:
    for stream in streams:
        try:
            connection.execute(plan_table(connection, stream).query.limit(0)).close()
        except Exception as error:
            failure = access_failure(error)
            if connection.invalidated or not isinstance(failure, TransientError | PermanentError):
                raise
            yield StreamFailure(stream.table, failure)
        connection.rollback()


def offered_streams(access: SourceAccess) -> Sequence[SourceStream]:
    """Return the tables and views of the database that the login may see, by schema and name.

    At most `MOST_STREAMS`. Raises `TransientError` or `PermanentError`.
    """
    config = cast("DatabaseConfig", access.config)
    engine = source_engine(config, access.guard, access.lines, access.files)
    try:
        with access.lines.watched(), engine.connect() as connection:
            inspector = inspect(connection)
            streams: list[SourceStream] = []
            for schema in _schemas(inspector):
                streams += _streams(inspector, schema)
                if len(streams) >= MOST_STREAMS:
                    break
            return streams[:MOST_STREAMS]
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise access_failure(error) from None


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
    columns = inspector.get_multi_columns(schema, kind=ObjectKind.ANY)
    keys = inspector.get_multi_pk_constraint(schema, kind=ObjectKind.TABLE)
    for table in sorted(columns, key=lambda table: table[1]):
        constraint = cast("Mapping[str, Any]", keys.get(table) or {})
        key = tuple(constraint.get("constrained_columns") or ())
        kind = "table" if table in keys else "view"
        yield _stream(kind, table, columns[table], key, inspector.dialect.name)


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
    changing = [name for name in cursors if _CHANGES.search(name)]
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
    return is_time or bool(_CHANGES.search(plan.name)) or key == (plan.name,)


def _rank(plan: ColumnPlan) -> int:
    if _CHANGES.search(plan.name):
        return 0 if plan.kind is Kind.TIMESTAMP else 1
    return 2 if plan.kind is Kind.TIMESTAMP else 3
