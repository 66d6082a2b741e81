"""Read a table page by page, until it ends or the slice does."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from sqlalchemy import Connection, CursorResult, Select

from shared.connectors.database.columns import ColumnPlan, Kind
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.connection import SourceConnection
from shared.connectors.database.order import LastRow, ReadOrder
from shared.connectors.database.page_size import PageSize
from shared.connectors.database.position import behind, identity_of
from shared.connectors.positions import finished
from shared.connectors.progress import StreamProgress
from shared.connectors.sandbox import PAGE_ROWS
from shared.errors import LeaseLostError

Row = dict[str, Any]

MOST_SIBLINGS = 5_000
"""How many rows are looked at again where a slice goes on: a cursor value that more share was given
to them at once, and reading all of them in each slice would never get on."""


@dataclass(frozen=True, slots=True)
class TableReading:
    """What one slice reads of one table, and how."""

    config: StreamConfig
    plans: Sequence[ColumnPlan]
    order: ReadOrder
    queries: Sequence[Select[Any]]
    siblings: Select[Any] | None
    """Rows that the slices before have read, of the cursor value within which the last ended."""
    progress: StreamProgress

    def pages(self, source: SourceConnection) -> Iterator[list[Row]]:
        """Yield the rows in pages, and tell the progress how far they go."""
        try:
            yield from self._new_pages(source)
        except LeaseLostError:
            raise
        except Exception:
            # Without them nothing may go on behind what was read: no other slice looks for them.
            try:
                yield from self._siblings(source)
            except Exception:  # noqa: BLE001 (what came first is raised)
                self.progress.cannot_go_on()
            raise
        # After them, since a row may have got that value until the newer ones were looked at: the
        # watermark moves past it now, and no other run would see it.
        yield from self._siblings(source)

    def _siblings(self, source: SourceConnection) -> Iterator[list[Row]]:
        if self.siblings is None:
            return
        with closing(_pages(source, [self.siblings.limit(MOST_SIBLINGS)], self.plans)) as pages:
            for rows in pages:
                yield self._converted(rows)

    def _new_pages(self, source: SourceConnection) -> Iterator[list[Row]]:
        last = None
        with closing(_pages(source, self.queries, self.plans)) as pages:
            for number, rows in enumerate(pages):
                if number > 0 and not self.progress.goes_on() and last is not None:
                    count = self.order.rows_before_stop(last, rows)
                    if count is not None:
                        self.progress.stop(behind(self.config, last))
                        if count > 0:
                            yield self._handed_over(rows[:count], None)
                        return
                last = self.order.last_row(rows[-1])
                yield self._handed_over(rows, last)
        self.progress.finish(finished(identity_of(self.config)))

    def _handed_over(self, rows: list[Row], last: LastRow | None) -> list[Row]:
        self.progress.observe(rows)
        converted = self._converted(rows)
        if last is not None and self.order.stops_anywhere:
            self.progress.can_go_on(behind(self.config, last))
        return converted

    def _converted(self, rows: list[Row]) -> list[Row]:
        for plan in self.plans:
            convert = _CONVERSIONS.get(plan.kind)
            if convert is not None:
                _convert(rows, plan.name, convert)
        return rows


def _pages(
    source: SourceConnection, queries: Sequence[Select[Any]], plans: Sequence[ColumnPlan]
) -> Generator[list[Row]]:
    with source.used() as connection:
        for query in queries:
            # An option of the statement: what looks at the next table has no use for a cursor.
            result = connection.execute(query, execution_options={"stream_results": True})
            try:
                yield from _pages_of(result, PageSize(plans, PAGE_ROWS, source.dialect))
            except BaseException:
                _hang_up(connection, result)
                raise
            result.close()


def _pages_of(result: CursorResult[Any], size: PageSize) -> Generator[list[Row]]:
    names = list(result.keys())
    page: list[Row] = []
    is_over = False
    while not is_over:
        wanted = size.next_fetch()
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchmany(wanted)]
        is_over = len(rows) < wanted
        while rows:
            taken = size.take(rows)
            page += rows[:taken]
            rows = rows[taken:]
            if rows or size.is_full():
                yield page
                size.begin_page()
                page = []
    if page:
        yield page


def _hang_up(connection: Connection, result: CursorResult[Any]) -> None:
    """End a connection whose result is not read to its end."""
    unread = getattr(result.cursor, "_result", None)
    if unread is not None:
        # PyMySQL would first read all that is left, which may be the rest of a large table.
        unread.unbuffered_active = False
    connection.invalidate()


def _convert(rows: Sequence[Row], name: str, convert: Callable[[Any], Any]) -> None:
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
