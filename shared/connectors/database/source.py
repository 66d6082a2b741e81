"""One table of a source as a stream, read from where the sync or the slice before ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

from shared.connectors.base import Position, Watermark
from shared.connectors.database.columns import ColumnPlan, Kind
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.connection import SourceConnection
from shared.connectors.database.pages import TableReading
from shared.connectors.database.position import read_position
from shared.connectors.database.table import plan_table
from shared.connectors.dataset.destination import COLUMN_TYPE
from shared.connectors.progress import StreamProgress
from shared.connectors.rejects_values import Doubt
from shared.connectors.slices import StreamTime
from shared.connectors.streams import Stream, Whole
from shared.connectors.watermarks import CursorValue, decode, is_finite
from shared.domain.fault import Fault
from shared.errors import PermanentError


def table_stream(
    source: SourceConnection,
    config: StreamConfig,
    watermark: Watermark | None,
    position: Position | None,
    time: StreamTime,
) -> Stream:
    """Return a table as a stream; raise `PermanentError` if table or columns are not as said.

    Rows are read behind the position if there is one, and else from the watermark on, itself
    included: a sibling with the same cursor value may have come later. Rows without a cursor value
    are read in every run, since nothing says whether they are new. Without a cursor the whole table
    is read in the order of its key: a row may get another place in any other while it is read.
    """
    with source.used() as connection:
        table = plan_table(connection, config)
        end = table.end(connection)
    config = table.config
    _check_distinct(config.table, [plan.name for plan in table.plans])
    order = table.order
    start = table.start(watermark)
    progress = StreamProgress(
        config.table,
        config.cursor,
        time,
        ordered=True,
        may_be_mark=is_finite if order.cursor is None else order.cursor.holds,
        settled=_not_before(watermark) if start is not None and config.look_back_seconds else _same,
    )
    last = read_position(config, order, position)
    queries = order.queries(table.query, start, last, end)
    siblings = order.siblings(table.query, last)
    reading = TableReading(config, table.plans, order, queries, siblings, progress)
    return Stream(
        reading.pages(source),
        tuple(config.key),
        progress,
        _hints(table.plans, config),
        doubts=_doubts(table.plans),
        whole=_whole(config, is_begun=last is not None),
    )


def _same(newest: CursorValue) -> CursorValue:
    return newest


def _not_before(watermark: Watermark | None) -> Callable[[CursorValue], CursorValue]:
    """Return what keeps a slice within the look-back from moving the watermark back."""
    known: Any = None if watermark is None else decode(watermark)

    def later(newest: Any) -> CursorValue:
        try:
            return newest if known is None else max(known, newest)
        except TypeError:  # the watermark was set with a zone and the column has none, or so
            return newest

    return later


def _whole(config: StreamConfig, *, is_begun: bool) -> Whole | None:
    if not config.is_full_refresh:
        return None
    return Whole.GOES_ON if is_begun else Whole.BEGINS


def _doubts(plans: Sequence[ColumnPlan]) -> Mapping[str, Doubt]:
    """Return the columns that may hold what a dataset cannot; all others have a type that fits."""
    doubts = {Kind.TEXT: Doubt.TEXT, Kind.JSON: Doubt.JSON}
    return {plan.name: doubts[plan.kind] for plan in plans if plan.kind in doubts}


def _check_distinct(table: str, names: Sequence[str]) -> None:
    naming = NamingConvention(max_length=63)
    landing: dict[str, str] = {}
    for name in names:
        other = landing.setdefault(naming.normalize_identifier(name), name)
        if other != name:
            raise PermanentError(
                f"{table} has columns {other} and {name}, which would share one column of the"
                " dataset: select one of them with columns.",
                fault=Fault.SCHEMA,
            )


def _hints(plans: Sequence[ColumnPlan], config: StreamConfig) -> TTableSchemaColumns:
    return {plan.name: _hint(plan, config) for plan in plans}


def _hint(plan: ColumnPlan, config: StreamConfig) -> TColumnSchema:
    hint: dict[str, object] = {
        "name": plan.name,
        "data_type": plan.kind.value,
        "nullable": plan.name not in config.key,
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
