"""One table of a source as a dlt resource, read from where the sync or the slice before ended."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, cast

from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.sources.sql_database import TableLoader, sql_table
from sqlalchemy import Column, Engine, MetaData, Table, inspect, select
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import TypeEngine

from shared.connectors.base import Position, Watermark
from shared.connectors.database.columns import CURSOR_KINDS, ColumnPlan, Kind, plan_column
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.order import read_order
from shared.connectors.database.pages import TableReading
from shared.connectors.database.position import read_position
from shared.connectors.dataset import COLUMN_TYPE
from shared.connectors.progress import StreamProgress
from shared.connectors.runner import Stream
from shared.connectors.slices import SliceTime
from shared.connectors.watermarks import CursorValue, decode, is_finite
from shared.errors import PermanentError


def table_stream(
    engine: Engine,
    config: StreamConfig,
    watermark: Watermark | None,
    position: Position | None,
    slice_time: SliceTime,
) -> Stream:
    """Return a table as a stream; raise `PermanentError` if table or columns are not as said.

    Rows are read behind the position if there is one, and else from the watermark on, itself
    included: a sibling with the same cursor value may have come later. Rows without a cursor value
    are read in every run, since nothing says whether they are new.
    """
    dialect = engine.dialect.name
    table = _reflect(engine, config)
    plans = [plan_column(column, dialect) for column in table.columns]
    start = _start(config, plans, watermark)
    order = read_order(table, plans, config, dialect)
    query = select(*(plan.expression.label(plan.name) for plan in plans)).select_from(table)
    progress = StreamProgress(
        config.table,
        config.cursor,
        slice_time,
        ordered=True,
        may_be_mark=is_finite if order.cursor is None else order.cursor.holds,
    )
    last = read_position(config, order, position)
    queries = order.queries(query, start, last)
    reading = TableReading(config, plans, order, queries, order.siblings(query, last), progress)
    resource = sql_table(
        credentials=engine,
        table=config.table,
        schema=config.schema_name,
        metadata=table.metadata,
        backend="sqlalchemy",
        backend_kwargs={"reading": reading},
        table_loader_class=_Loader,
    )
    resource.apply_hints(columns=_hints(plans, config))
    return Stream(resource, tuple(config.primary_key), progress)


class _Loader(TableLoader):
    """dlt's loader, which leaves the reading to us."""

    def load_rows(self, backend_kwargs: dict[str, Any] | None = None) -> Iterator[Any]:
        reading: TableReading = (backend_kwargs or {})["reading"]
        yield from reading.pages(self.engine)


def _reflect(engine: Engine, config: StreamConfig) -> Table:
    with warnings.catch_warnings(), engine.connect() as connection:
        warnings.simplefilter("ignore", SAWarning)  # a type it does not know is read as text
        found = inspect(connection).get_columns(config.table, schema=config.schema_name)
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
    if not plan.holds(watermark.value.get("type")):
        raise PermanentError(
            f"{config.table}.{plan.name} has changed its type: reset the watermark of"
            f" {config.table} to sync from the start."
        )
    return decode(watermark)


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
