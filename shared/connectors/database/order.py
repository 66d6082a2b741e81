"""In which order a table is read, so that reading can stop behind a row and go on there later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    cast,
    literal,
    not_,
    or_,
    tuple_,
)

from shared.connectors.database.columns import ColumnPlan, Kind
from shared.connectors.database.config import StreamConfig
from shared.connectors.rejects import is_storable
from shared.connectors.watermarks import CursorValue, Value, is_finite, type_name


@dataclass(frozen=True, slots=True)
class LastRow:
    """The row behind which reading goes on.

    `cursor` is None for a row without a cursor value, and in a table without a cursor. `key` has a
    value for each column of `ReadOrder.key`; without any, all rows with the cursor value are meant.
    """

    cursor: CursorValue | None
    key: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class OrderedColumn:
    """One column of the order: the source's own, and how it is read."""

    column: Column[Any]
    plan: ColumnPlan

    def holds(self, value: object) -> bool:
        """Tell whether a value can be one of the column's, and be given back to the source."""
        return is_finite(value) and is_storable(value) and self.plan.holds(type_name(value))

    def literal(self, value: Value) -> ColumnElement[Any]:
        """Return a value that was read, to compare the column with."""
        if self.plan.compared_as is not None:
            return cast(literal(value), self.plan.compared_as)
        # A source understands what it wrote as text, be it a UUID or a time of its own.
        return literal(value, Text() if isinstance(value, str) else self.column.type)

    def after(self, value: Value) -> ColumnElement[bool]:
        """Return the condition for rows that come behind those of which a value was read."""
        if self.plan.is_cut and isinstance(value, datetime):
            return self.column >= self.literal(value + datetime.resolution)
        return self.column > self.literal(value)

    def same(self, value: Value) -> ColumnElement[bool]:
        """Return the condition for rows of which a value is read."""
        if self.plan.is_cut and isinstance(value, datetime):
            return and_(self.column >= self.literal(value), not_(self.after(value)))
        return self.column == self.literal(value)


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """Rows without a cursor value first, by key; then the others, by cursor and key.

    Reading can stop behind any row if each column of the key finds its row again: whole numbers,
    decimals, dates, times, UUIDs, booleans and text. With a key of another type (binary, floating
    point, enum, JSON, long text of MySQL) it stops only where the cursor value changes. It does not
    stop at all if such a table has no cursor, or one of text: only the source knows when that
    changes.
    """

    cursor: OrderedColumn | None
    key: tuple[OrderedColumn, ...]
    """The columns of the key but the cursor; none if they do not find a row again."""
    stops_anywhere: bool
    compares_rows: bool
    """True if the source finds `(a, b) > (1, 2)` in an index."""

    def last_row(self, row: Mapping[str, Any]) -> LastRow | None:
        """Return where reading goes on behind a row, or None if it cannot stop there.

        So it is with infinities and NaN, which drivers do not give back as they got them.
        """
        cursor = None if self.cursor is None else row[self.cursor.plan.name]
        last = LastRow(cursor, tuple(row[part.plan.name] for part in self.key))
        return last if self.has_row(last) else None

    def has_row(self, last: LastRow) -> bool:
        """Tell whether a row can be one of the table, as it is read now."""
        if len(last.key) != len(self.key):
            return False
        if not all(part.holds(value) for part, value in zip(self.key, last.key, strict=True)):
            return False
        if self.cursor is None or last.cursor is None:
            return last.cursor is None
        return self.cursor.holds(last.cursor)

    def rows_before_stop(self, last: LastRow, rows: Sequence[Mapping[str, Any]]) -> int | None:
        """Return how many rows behind `last` to take before a stop; None if all and then more."""
        if self.stops_anywhere:
            return 0
        if self.cursor is None or self.cursor.plan.kind is Kind.TEXT:
            return None
        name = self.cursor.plan.name
        others = (index for index, row in enumerate(rows) if row[name] != last.cursor)
        return next(others, None)

    def queries(
        self,
        query: Select[Any],
        start: CursorValue | None,
        last: LastRow | None,
        end: CursorValue | None = None,
    ) -> list[Select[Any]]:
        """Return `query` over the rows behind `last`, as queries to run one after the other.

        With a cursor from `start` on, itself included, up to `end`, itself excluded. Rows
        without a cursor value have a query of their own: for both kinds together a source uses no
        index.
        """
        if self.cursor is None:
            behind = [] if last is None else [self._behind(self.key, last.key)]
            return [self._sorted(query.where(*behind))]
        queries = [self._with_value(query, self.cursor, start, last, end)]
        if self.cursor.column.nullable and (last is None or (last.cursor is None and last.key)):
            behind = [] if last is None else [self._behind(self.key, last.key)]
            queries.insert(0, self._sorted(query.where(self.cursor.column.is_(None), *behind)))
        return queries

    def siblings(self, query: Select[Any], last: LastRow | None) -> Select[Any] | None:
        """Return `query` over the rows that share the cursor value of `last`, up to it.

        None if there is nothing to go on behind, or no cursor value.
        """
        if self.cursor is None or last is None or last.cursor is None:
            return None
        conditions = [self.cursor.same(last.cursor)]
        if self.key:
            conditions.append(not_(self._behind(self.key, last.key)))
        return self._sorted(query.where(*conditions))

    def _with_value(
        self,
        query: Select[Any],
        cursor: OrderedColumn,
        start: CursorValue | None,
        last: LastRow | None,
        end: CursorValue | None,
    ) -> Select[Any]:
        conditions: list[ColumnElement[bool]] = []
        if start is not None:
            conditions.append(cursor.column >= cursor.literal(start))
        if last is not None and last.cursor is not None:
            conditions.append(self._behind((cursor, *self.key), (last.cursor, *last.key)))
        if not conditions and cursor.column.nullable:
            conditions.append(cursor.column.is_not(None))
        if end is not None:
            conditions.append(cursor.column < cursor.literal(end))
        return self._sorted(query.where(*conditions), cursor)

    def _sorted(self, query: Select[Any], *first: OrderedColumn) -> Select[Any]:
        return query.order_by(*(part.column for part in (*first, *self.key)))

    def _behind(
        self, parts: Sequence[OrderedColumn], values: Sequence[Value]
    ) -> ColumnElement[bool]:
        if self.compares_rows:
            literals = [part.literal(value) for part, value in zip(parts, values, strict=True)]
            behind: ColumnElement[bool] = tuple_(*(part.column for part in parts)) > tuple_(
                *literals
            )
            # It sorts NULL last. One in a key ends the sync with an error, in whatever slice.
            return or_(
                behind, *(part.column.is_(None) for part in self.key if part.column.nullable)
            )
        *before, (last, value) = zip(parts, values, strict=True)
        behind = last.after(value)
        for part, value in reversed(before):
            behind = or_(part.after(value), and_(part.same(value), behind))
        # Without this, which says nothing new, no index is used when there are many columns.
        first = parts[0]
        return and_(first.column >= first.literal(values[0]), behind)


def read_order(
    table: Table, plans: Sequence[ColumnPlan], config: StreamConfig, dialect: str
) -> ReadOrder:
    """Return the order in which a stream's table is read."""
    by_name = {plan.name: OrderedColumn(table.columns[plan.name], plan) for plan in plans}
    cursor = None if config.cursor is None else by_name[config.cursor]
    key = tuple(by_name[name] for name in config.key if name != config.cursor)
    finds_rows = all(part.plan.finds_row for part in key) and (
        cursor is None or cursor.plan.finds_row or cursor.plan.kind is Kind.DOUBLE
    )
    return ReadOrder(
        cursor=cursor,
        key=key if finds_rows else (),
        stops_anywhere=finds_rows,
        compares_rows=dialect == "postgresql",
    )
