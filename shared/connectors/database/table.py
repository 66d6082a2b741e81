"""One table of a source: looked at, and turned into the queries that read it."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Select, Table, inspect, select
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SAWarning

from shared.connectors.base import Watermark
from shared.connectors.database.columns import CURSOR_KINDS, plan_column
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.order import ReadOrder, read_order
from shared.connectors.database.plans import ColumnPlan, Kind
from shared.connectors.watermarks import CursorValue, decode
from shared.domain.fault import Fault
from shared.errors import PermanentError

_ALMOST_A_DAY = timedelta(days=1) - timedelta.resolution
"""A date less a part of a day is the day before."""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How a table is read: its columns on their way, all of its rows, and their order.

    `config` are its settings with the primary key that it is read by.
    """

    config: StreamConfig
    plans: Sequence[ColumnPlan]
    query: Select[Any]
    order: ReadOrder

    def start(self, watermark: Watermark | None) -> CursorValue | None:
        """Return the cursor value to read from, or None to read everything.

        That is the watermark's, less the look-back. Raises `PermanentError` if it is not one of the
        column as it is now.
        """
        plan = None if self.order.cursor is None else self.order.cursor.plan
        if plan is None or watermark is None or watermark.cursor != plan.name:
            return None  # another column's watermark says nothing about this one
        if plan.kind is Kind.TIMESTAMP and watermark.value.get("type") in ("date", "datetime"):
            return self._back(_as_time(decode(watermark), has_zone=plan.has_zone))
        if not plan.holds(watermark.value.get("type")):
            raise PermanentError(
                f"{self.config.table}.{plan.name} has changed its type: reset the watermark of"
                f" {self.config.table} to sync from the start.",
                fault=Fault.SCHEMA,
            )
        return self._back(decode(watermark))

    def end(self, connection: Connection) -> CursorValue | None:
        """Return the cursor value to read up to, itself excluded, or None to read everything.

        Behind it a row may still come that is less than its neighbours, and a watermark that went
        by these would never be followed by it. Ask before the rows are asked for: what was under
        way for those may be done for a question that comes later, or together with them.
        """
        cursor = self.order.cursor
        if cursor is None or cursor.plan.open_from is None:
            return None
        return connection.scalar(select(cursor.plan.open_from))

    def _back(self, value: CursorValue) -> CursorValue:
        if isinstance(value, date) and self.config.look_back_seconds:
            return _earlier(value, timedelta(seconds=self.config.look_back_seconds))
        return value


def plan_table(connection: Connection, config: StreamConfig) -> TablePlan:
    """Look at a table and return how it is read.

    Raises `PermanentError` if its columns are not as the settings say, and the driver's errors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a type it does not know is read as text
        inspector = inspect(connection)
        found = inspector.get_columns(config.table, schema=config.schema_name)
        if not config.key:
            keys = inspector.get_pk_constraint(config.table, schema=config.schema_name)
            config = config.keyed_by(keys["constrained_columns"])
    return plan_columns(found, config, connection.dialect.name)


def plan_columns(found: Sequence[ReflectedColumn], config: StreamConfig, dialect: str) -> TablePlan:
    """Return how a table with these columns is read; raises `PermanentError` as `plan_table`."""
    if not config.key:
        raise PermanentError(
            f"{config.table} has no primary key: name columns that tell its rows apart in"
            " primary_key.",
            fault=Fault.SCHEMA,
        )
    table = _selected({column["name"]: column for column in found}, config)
    plans = [plan_column(column, dialect) for column in table.columns]
    _check_cursor(config, plans)
    _check_key(config, plans)
    query = select(*(plan.expression.label(plan.name) for plan in plans)).select_from(table)
    return TablePlan(config, plans, query, read_order(table, plans, config, dialect))


def _selected(found: Mapping[str, ReflectedColumn], config: StreamConfig) -> Table:
    wanted = config.columns or list(found)
    needed = [*wanted, *config.key, *([config.cursor] if config.cursor else [])]
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
    is_temporal = plan is not None and plan.kind in (Kind.DATE, Kind.TIMESTAMP)
    if config.look_back_seconds and not is_temporal:
        raise PermanentError(
            f"{config.table}.{config.cursor} is no date or time, so that look_back_seconds means"
            " nothing: leave it out.",
            fault=Fault.SCHEMA,
        )


def _check_key(config: StreamConfig, plans: Sequence[ColumnPlan]) -> None:
    cut = [plan.name for plan in plans if plan.is_cut and plan.name in config.key]
    if cut:
        raise PermanentError(
            f"{config.table}.{cut[0]} cannot be in the primary key: it has more digits of a second"
            " than a dataset, so that two of its rows could become one.",
            fault=Fault.SCHEMA,
        )


def _as_time(value: CursorValue, *, has_zone: bool) -> CursorValue:
    """Return a date or time that a person may have set as one of a column: days begin in UTC."""
    if not isinstance(value, date):
        return value
    time = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001 (its zone is set next)
    if has_zone:
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _earlier(value: date, by: timedelta) -> date:
    """Return a date or time that is earlier by at least so much, as far as Python goes."""
    try:
        return value - (by if isinstance(value, datetime) else by + _ALMOST_A_DAY)
    except OverflowError:
        return value


def can_be_cursor(plan: ColumnPlan) -> bool:
    """Tell whether the values of a column have an order that we and the source agree on."""
    return plan.kind in CURSOR_KINDS and plan.exact
