"""One table of a source: looked at, and turned into the queries that read it."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Select, Table, inspect, select
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SAWarning

from shared.connectors.base import Watermark
from shared.connectors.database.columns import CURSOR_KINDS, ColumnPlan, plan_column
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.order import ReadOrder, read_order
from shared.connectors.watermarks import CursorValue, decode
from shared.domain.fault import Fault
from shared.errors import PermanentError


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How a table is read: its columns on their way, all of its rows, and their order."""

    plans: Sequence[ColumnPlan]
    query: Select[Any]
    order: ReadOrder

    def start(self, config: StreamConfig, watermark: Watermark | None) -> CursorValue | None:
        """Return the cursor value to read from, or None to read everything.

        Raises `PermanentError` if the watermark is not one of the column as it is now.
        """
        plan = None if self.order.cursor is None else self.order.cursor.plan
        if plan is None or watermark is None or watermark.cursor != plan.name:
            return None  # another column's watermark says nothing about this one
        if not plan.holds(watermark.value.get("type")):
            raise PermanentError(
                f"{config.table}.{plan.name} has changed its type: reset the watermark of"
                f" {config.table} to sync from the start.",
                fault=Fault.SCHEMA,
            )
        return decode(watermark)


def plan_table(connection: Connection, config: StreamConfig) -> TablePlan:
    """Look at a table and return how it is read.

    Raises `PermanentError` if its columns are not as the settings say, and the driver's errors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a type it does not know is read as text
        found = inspect(connection).get_columns(config.table, schema=config.schema_name)
    return plan_columns(found, config, connection.dialect.name)


def plan_columns(found: Sequence[ReflectedColumn], config: StreamConfig, dialect: str) -> TablePlan:
    """Return how a table with these columns is read; raises `PermanentError` as `plan_table`."""
    table = _selected({column["name"]: column for column in found}, config)
    plans = [plan_column(column, dialect) for column in table.columns]
    _check_cursor(config, plans)
    query = select(*(plan.expression.label(plan.name) for plan in plans)).select_from(table)
    return TablePlan(plans, query, read_order(table, plans, config, dialect))


def _selected(found: Mapping[str, ReflectedColumn], config: StreamConfig) -> Table:
    wanted = config.columns or list(found)
    needed = [*wanted, *config.primary_key, *([config.cursor] if config.cursor else [])]
    missing = [name for name in dict.fromkeys(needed) if name not in found]
    if missing:
        raise PermanentError(
            f"{config.table} has no column {', '.join(missing)}.", fault=Fault.SCHEMA
        )
    columns = [
        Column(name, found[name]["type"], nullable=found[name]["nullable"]) for name in wanted
    ]
    return Table(config.table, MetaData(schema=config.schema_name), *columns)


def _check_cursor(config: StreamConfig, plans: Sequence[ColumnPlan]) -> None:
    plan = next((plan for plan in plans if plan.name == config.cursor), None)
    if plan is not None and not can_be_cursor(plan):
        raise PermanentError(
            f"{config.table}.{plan.name} cannot be the cursor: choose a column of numbers, dates,"
            " times or text that grows with every change.",
            fault=Fault.SCHEMA,
        )


def can_be_cursor(plan: ColumnPlan) -> bool:
    """Tell whether the values of a column have an order that we and the source agree on."""
    return plan.kind in CURSOR_KINDS and plan.exact
