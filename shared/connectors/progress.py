"""What one stream has read so far: rows, the greatest cursor value, rows without one."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.connectors.base import Watermark
from shared.connectors.watermarks import CursorValue, encode


class StreamProgress:
    """Counts the rows of one stream; the source calls `observe` for each page it hands over."""

    def __init__(self, stream: str, cursor: str | None) -> None:
        self.stream = stream
        self.cursor = cursor
        self.records = 0
        self.without_cursor = 0
        self._greatest: CursorValue | None = None

    def observe(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take a page of rows into account."""
        self.records += len(rows)
        if self.cursor is None:
            return
        values: list[Any] = [row[self.cursor] for row in rows]
        # NaN, which has no order and would hide every other value, is unlike itself.
        present = [value for value in values if value is not None and value == value]  # noqa: PLR0124
        self.without_cursor += len(values) - len(present)
        if present:
            newest: CursorValue = max(present)
            self._greatest = newest if self._greatest is None else max(self._greatest, newest)  # pyright: ignore[reportArgumentType] (one column has one type)

    def watermark(self) -> Watermark | None:
        """Return the new watermark, or None if no row carried a cursor value."""
        if self.cursor is None or self._greatest is None:
            return None
        return encode(self.stream, self.cursor, self._greatest)
