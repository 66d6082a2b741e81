"""How far the streams of a Dynamics connector are synced."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import le
from typing import Any

from shared.connectors.base import Watermark
from shared.connectors.dynamics.stream_config import DELTA_LINK
from shared.connectors.progress import StreamProgress
from shared.connectors.slices import StreamTime
from shared.connectors.watermarks import CursorValue, encode
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError


class CursorProgress(StreamProgress):
    """Keeps a watermark that is never newer than `cap`, when the run began to read.

    What changes while it is read may hide behind something newer: a record that was read and
    changed then, or one of a company that was read before. With `is_sorted`, the source gives
    records in the order of the cursor, and the watermark moves with each slice.
    """

    def __init__(
        self,
        stream: str,
        cursor: str | None,
        time: StreamTime,
        *,
        newest: CursorValue | None,
        before: CursorValue | None,
        cap: datetime,
        is_sorted: bool,
    ) -> None:
        super().__init__(stream, cursor, time, ordered=False, newest=newest)
        self._before = before
        self._cap = cap
        self._is_sorted = is_sorted
        self._last_of_page: Any = None

    def observe(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take a page of rows into account.

        Raises `PermanentError` with the code `cursor_backwards` if they are not sorted as promised.
        """
        super().observe(rows)
        if self._is_sorted and self.cursor is not None:
            self._check_sorted([row.get(self.cursor) for row in rows if isinstance(row, dict)])

    def begin_again(self) -> None:
        """Take note that the source begins anew."""
        self._last_of_page = None

    def watermark(self) -> Watermark | None:
        """Return the new watermark, or None if there is none yet."""
        newest: Any = self.newest
        if self.cursor is None or newest is None or (self.has_more and not self._is_sorted):
            return None
        if isinstance(newest, int):
            return encode(self.stream, self.cursor, newest)
        cap: Any = self._cap if isinstance(newest, datetime) else self._cap.date()
        before = [] if self._before is None else [self._before]
        return encode(self.stream, self.cursor, max([*before, min(newest, cap)]))

    def _check_sorted(self, values: Sequence[Any]) -> None:
        found = [value for value in (self._last_of_page, *values) if value is not None]
        if not all(map(le, found, found[1:])):
            raise PermanentError(
                f"{self.stream} gave an older {self.cursor} after a newer one, although it was"
                " asked for in order: set ordered to false.",
                code=Reason.CURSOR_BACKWARDS,
                fault=Fault.SCHEMA,
            )
        self._last_of_page = found[-1] if found else None


class LinkProgress(StreamProgress):
    """Keeps the link to what changes from now on, which comes behind the last page."""

    def __init__(self, stream: str, time: StreamTime) -> None:
        super().__init__(stream, DELTA_LINK, time, ordered=False)
        self.link: str | None = None

    def watermark(self) -> Watermark | None:
        """Return the link as a watermark, or None if there is none yet."""
        if self.link is None or self.has_more:
            return None
        return encode(self.stream, DELTA_LINK, self.link)

    def _observe_cursor(self, rows: Sequence[Mapping[str, Any]], cursor: str) -> None:
        """Look for no cursor: records have none."""
