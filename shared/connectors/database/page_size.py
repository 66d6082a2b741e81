"""How many rows to fetch at a time, so that a page is bounded by bytes as well as by rows."""

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
"""How many times the rows of a fetch the next one may ask for: a few rows say little of many."""


class PageSize:
    """Decides the fetches of one query; a page is made of as many as it takes.

    Widths are measured, since no source tells them beforehand: the first fetch is of one row.
    """

    def __init__(self, plans: Sequence[ColumnPlan], most_rows: int) -> None:
        self._most_rows = most_rows
        self._fixed = _VALUE_BYTES * len(plans)
        self._long = [
            (plan.name, _BYTES_OF_LETTER[plan.kind])
            for plan in plans
            if plan.kind in _BYTES_OF_LETTER
        ]
        self._width = 0.0
        self._fetched = 0
        self._page_rows = 0
        self._page_bytes = 0

    def next_fetch(self) -> int:
        """Return how many rows to fetch for the page, or 0 if it is full."""
        room = self._most_rows - self._page_rows
        if room == 0 or self._page_bytes >= PAGE_BYTES * 3 // 4:
            return 0
        if self._fetched == 0:
            return 1
        fit = int((PAGE_BYTES - self._page_bytes) / self._width)
        return max(1, min(fit, room, _GROWTH * self._fetched))

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows of a fetch, one or more, into account."""
        size = self._size(rows)
        self._width = size / len(rows)
        self._fetched = len(rows)
        self._page_rows += len(rows)
        self._page_bytes += size

    def begin_page(self) -> None:
        """Take note that the page was handed over."""
        self._page_rows = self._page_bytes = 0

    def _size(self, rows: Sequence[Mapping[str, Any]]) -> int:
        long = sum(
            letter * sum(len(value) for row in rows if (value := row[name]) is not None)
            for name, letter in self._long
        )
        return len(rows) * self._fixed + long
