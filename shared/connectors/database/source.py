"""One table of a source as a dlt resource, read from its watermark on."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, cast

from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.sources.sql_database import TableLoader, sql_table
from sqlalchemy import Column, Engine, MetaData, Select, Table, inspect, or_, select
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import TypeEngine

from shared.connectors.base import Watermark
from shared.connectors.database.columns import CURSOR_KINDS, ColumnPlan, Kind, plan_column
from shared.connectors.database.config import StreamConfig
from shared.connectors.dataset import COLUMN_TYPE
from shared.connectors.progress import StreamProgress
from shared.connectors.runner import Stream
from shared.connectors.sandbox import PAGE_ROWS
from shared.connectors.watermarks import CursorValue, decode
from shared.errors import PermanentError

_CURSOR_TYPES: Mapping[str, frozenset[Kind]] = {
    "int": frozenset({Kind.BIGINT, Kind.DECIMAL}),
    "decimal": frozenset({Kind.BIGINT, Kind.DECIMAL}),
    "float": frozenset({Kind.DOUBLE}),
    "str": frozenset({Kind.TEXT}),
    "date": frozenset({Kind.DATE}),
    "datetime": frozenset({Kind.TIMESTAMP}),
}
"""Type of a watermark, and the kinds of columns that it can be compared with."""


def table_stream(engine: Engine, config: StreamConfig, watermark: Watermark | None) -> Stream:
    """Return a table as a stream; raise `PermanentError` if table or columns are not as said.

    Rows are read from the watermark on, itself included: a sibling with the same cursor value may
    have come later. Rows without a cursor value are read every time, since nothing says whether
    they are new.
    """
    table = _reflect(engine, config)
    plans = [plan_column(column, engine.dialect.name) for column in table.columns]
    start = _start(config, plans, watermark)
    progress = StreamProgress(config.table, config.cursor)
    resource = sql_table(
        credentials=engine,
        table=config.table,
        schema=config.schema_name,
        metadata=table.metadata,
        chunk_size=PAGE_ROWS,
        backend="sqlalchemy",
        backend_kwargs={"progress": progress, "plans": plans},
        query_adapter_callback=lambda _query, _table: _query_for(table, plans, config, start),
        table_loader_class=_PageLoader,
    )
    resource.apply_hints(columns=_hints(plans, config))
    return Stream(resource, tuple(config.primary_key), progress)


class _PageLoader(TableLoader):
    """dlt's loader over a server-side cursor, which also keeps count."""

    def _convert_result(self, result: Any, backend_kwargs: dict[str, Any]) -> Iterator[Any]:
        progress: StreamProgress = backend_kwargs["progress"]
        plans: Sequence[ColumnPlan] = backend_kwargs["plans"]
        awkward = [plan for plan in plans if plan.kind in _CONVERSIONS]
        names = list(result.keys())
        for page in result.partitions(size=self.chunk_size):
            rows = [dict(zip(names, row, strict=True)) for row in page]
            progress.observe(rows)
            for plan in awkward:
                _convert(rows, plan.name, _CONVERSIONS[plan.kind])
            yield rows


def _convert(rows: Sequence[dict[str, Any]], name: str, convert: Callable[[Any], Any]) -> None:
    for row in rows:
        if row[name] is not None:
            row[name] = convert(row[name])


def _finite_or_decimal(value: float) -> float | Decimal:
    return value if isfinite(value) else Decimal(value)


def _as_hex(value: bytes) -> str:
    return f"\\x{value.hex()}"


_CONVERSIONS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.DOUBLE: _finite_or_decimal,  # dlt's files hold a float NaN as null, a Decimal one as NaN
    Kind.BINARY: _as_hex,  # and take empty bytes for a text
}


def _reflect(engine: Engine, config: StreamConfig) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a type it does not know is read as text
        found = inspect(engine).get_columns(config.table, schema=config.schema_name)
    types: dict[str, TypeEngine[Any]] = {column["name"]: column["type"] for column in found}
    nullable = {column["name"]: column["nullable"] for column in found}
    wanted = config.columns or list(types)
    needed = [*wanted, *config.primary_key, *([config.cursor] if config.cursor else [])]
    missing = [name for name in dict.fromkeys(needed) if name not in types]
    if missing:
        raise PermanentError(f"{config.table} has no column {', '.join(missing)}.")
    _check_distinct(config.table, wanted)
    columns = [Column(name, types[name], nullable=nullable[name]) for name in wanted]
    return Table(config.table, MetaData(schema=config.schema_name), *columns)


def _check_distinct(table: str, names: Sequence[str]) -> None:
    naming = NamingConvention(max_length=63)
    landing: dict[str, str] = {}
    for name in names:
        other = landing.setdefault(naming.normalize_identifier(name), name)
        if other != name:
            raise PermanentError(
                f"{table} has columns {other} and {name}, which would share one column of the"
                " dataset: select one of them with columns."
            )


def _start(
    config: StreamConfig, plans: Sequence[ColumnPlan], watermark: Watermark | None
) -> CursorValue | None:
    plan = next((plan for plan in plans if plan.name == config.cursor), None)
    if plan is None:
        return None
    if plan.kind not in CURSOR_KINDS or not plan.exact:
        raise PermanentError(
            f"{config.table}.{plan.name} cannot be the cursor: choose a column of numbers, dates,"
            " times or text that grows with every change."
        )
    if watermark is None or watermark.cursor != plan.name:
        return None  # another column's watermark says nothing about this one
    if plan.kind not in _CURSOR_TYPES.get(watermark.value.get("type", ""), frozenset()):
        raise PermanentError(
            f"{config.table}.{plan.name} has changed its type: reset the watermark of"
            f" {config.table} to sync from the start."
        )
    return decode(watermark)


def _query_for(
    table: Table, plans: Sequence[ColumnPlan], config: StreamConfig, start: CursorValue | None
) -> Select[Any]:
    query = select(*(plan.expression.label(plan.name) for plan in plans)).select_from(table)
    if config.cursor is None or start is None:
        return query
    cursor = table.columns[config.cursor]
    from_start = cursor >= start
    return query.where(or_(from_start, cursor.is_(None)) if cursor.nullable else from_start)


def _hints(plans: Sequence[ColumnPlan], config: StreamConfig) -> TTableSchemaColumns:
    return {plan.name: _hint(plan, config) for plan in plans}


def _hint(plan: ColumnPlan, config: StreamConfig) -> TColumnSchema:
    hint: dict[str, object] = {
        "name": plan.name,
        "data_type": plan.kind.value,
        "nullable": plan.name not in config.primary_key,
    }
    match plan.kind:
        case Kind.DECIMAL if plan.precision is None:
            hint[COLUMN_TYPE] = "numeric"
        case Kind.DECIMAL:
            hint |= {"precision": plan.precision, "scale": plan.scale}
        case Kind.JSON:
            # As text all the way, since a parsed number would lose digits.
            hint |= {"data_type": Kind.TEXT.value, COLUMN_TYPE: "jsonb"}
        case Kind.BINARY:
            hint |= {"data_type": Kind.TEXT.value, COLUMN_TYPE: "bytea"}
        case Kind.TIMESTAMP:
            hint["timezone"] = plan.has_zone
        case _:
            pass
    if plan.name == config.cursor:
        hint["dedup_sort"] = "desc"
    return cast("TColumnSchema", hint)
