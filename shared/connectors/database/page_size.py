"""How many rows to fetch and to hand on at a time, bounded by bytes as well as by rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.connectors.database.columns import ColumnPlan, Kind

PAGE_BYTES = 8 * 1024 * 1024
"""How large a page gets, about: several copies of one are in memory on the way to its file."""

_VALUE_BYTES = 32
"""What any value takes, whatever it is."""
_BYTES_OF_LETTER: Mapping[Kind, int] = {Kind.TEXT: 1, Kind.JSON: 1, Kind.BINARY: 2}
"""Of the kinds that may be long, and how they are written."""
_GROWTH = 32
"""How many times the rows of a page's last part a fetch may ask for: a few say little of many."""
_UNSEEN_ROWS: Mapping[str, int] = {"postgresql": 512}
"""How many rows of which nobody knows how long they are may come in one fetch, by dialect.

One wide row may follow any number of narrow ones, so this is what bounds memory then. A fetch is a
round trip to PostgreSQL."""
_STREAMED_ROWS = 16
"""The same where the driver takes row by row from what the server sends on its own."""


class PageSize:
    """Decides the fetches of one query, and cuts what comes into pages.

    Widths are measured, since a source tells at most bounds beforehand: the first fetch is of one
    row.
    """

    def __init__(self, plans: Sequence[ColumnPlan], most_rows: int, dialect: str) -> None:
        self._most_rows = most_rows
        self._most_fetched = _most_fetched(plans, dialect)
        self._fixed = _VALUE_BYTES * len(plans)
        self._long = [
            (plan.name, _BYTES_OF_LETTER[plan.kind])
            for plan in plans
            if plan.kind in _BYTES_OF_LETTER
        ]
        self._width = 0.0
        self._taken = 0
        self._page_rows = 0
        self._page_bytes = 0

    def next_fetch(self) -> int:
        """Return how many rows to fetch for the page, at least one."""
        if self._taken == 0:
            return 1
        room = self._most_rows - self._page_rows
        fit = int((PAGE_BYTES - self._page_bytes) / self._width)
        return max(1, min(fit, room, self._most_fetched, _GROWTH * self._taken))

    def take(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Add to the page as many of the rows as it has room for, and return their number.

        `rows` are one or more. A row that is wider than a page goes into an empty one.
        """
        taken, size = len(rows), self._size(rows)
        if self._page_bytes + size > PAGE_BYTES:
            taken, size = self._part(rows)
        if taken > 0:
            self._width = size / taken
            self._taken = taken
            self._page_rows += taken
            self._page_bytes += size
        return taken

    def is_full(self) -> bool:
        """Tell whether the page is as large as it should get."""
        return self._page_rows >= self._most_rows or self._page_bytes >= PAGE_BYTES * 3 // 4

    def begin_page(self) -> None:
        """Take note that the page was handed over."""
        self._page_rows = self._page_bytes = 0

    def _part(self, rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """Return how many of the rows fit into the page, and their size."""
        size = 0
        for number, row in enumerate(rows):
            width = self._size([row])
            is_first = number == 0 and self._page_rows == 0
            if self._page_bytes + size + width > PAGE_BYTES and not is_first:
                return number, size
            size += width
        return len(rows), size

    def _size(self, rows: Sequence[Mapping[str, Any]]) -> int:
        long = sum(
            letter * sum(len(value) for row in rows if (value := row[name]) is not None)
            for name, letter in self._long
        )
        return len(rows) * self._fixed + long


def _most_fetched(plans: Sequence[ColumnPlan], dialect: str) -> int:
    """Return how many rows may come in one fetch, however wide they turn out to be."""
    unseen = _UNSEEN_ROWS.get(dialect, _STREAMED_ROWS)
    widest = _VALUE_BYTES * len(plans)
    for plan in plans:
        if plan.kind in _BYTES_OF_LETTER:
            if plan.longest is None:
                return unseen
            widest += _BYTES_OF_LETTER[plan.kind] * plan.longest
    return max(unseen, PAGE_BYTES // widest)
