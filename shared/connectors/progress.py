"""What one stream has read in a slice: rows, its newest cursor value, and where it stopped."""

from collections.abc import Callable, Mapping, Sequence
from operator import le
from typing import Any

from shared.connectors.base import Position, Watermark
from shared.connectors.rejects import is_storable
from shared.connectors.slices import StreamTime
from shared.connectors.watermarks import CursorValue, encode, is_finite
from shared.domain.run import Reason
from shared.errors import PermanentError


class StreamProgress:
    """Keeps count of one stream; its source calls the methods while it reads.

    Before each page but its first: `goes_on`. For each page that it hands over: `observe`. In the
    end `finish`, or `stop` if there is more. A source that never asks is read in one slice. One
    that tells of each page where it `can_go_on` behind it keeps what it read before an error.

    With `ordered` the source promises rows in the order of the cursor: the watermark is then the
    last value, in the order of the source, and otherwise the greatest in that of Python. Only what
    `may_be_mark` says yes to becomes one.

    What is left of a stream without an order may be older than what was read, so that it has a
    watermark only at its end: until then its source keeps `newest` in the positions, and gives it
    to the next slice. `settled` makes of the newest value what the watermark may be.
    """

    def __init__(
        self,
        stream: str,
        cursor: str | None,
        time: StreamTime,
        *,
        ordered: bool,
        may_be_mark: Callable[[object], bool] = is_finite,
        newest: CursorValue | None = None,
        settled: Callable[[CursorValue], CursorValue] = lambda newest: newest,
    ) -> None:
        self.stream = stream
        self.cursor = cursor
        self.records = 0
        self.without_cursor = 0
        self.has_more = False
        self.position: Position | None = None
        self._place: Position | None = None
        self._time = time
        self._ordered = ordered
        self._may_be_mark = may_be_mark
        self._last: Any = None
        self._newest = newest
        self._settled = settled

    def goes_on(self) -> bool:
        """Tell whether there is time for another page; raise `LeaseLostError` with the lease."""
        return self._time.goes_on()

    def observe(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take a page of rows into account.

        Raises `PermanentError` with the code `cursor_backwards` if the source broke its promise.
        """
        self._place = None
        self._time.got_on()
        self.records += len(rows)
        if self.cursor is not None:
            self._observe_cursor(rows, self.cursor)

    def can_go_on(self, position: Position) -> None:
        """Take note that reading can go on here, behind the page that is handed over now."""
        self._place = position

    def _observe_cursor(self, rows: Sequence[Mapping[str, Any]], cursor: str) -> None:
        # What is no object, or has no such field, is the affair of who screens the page.
        values: list[Any] = [row.get(cursor) if isinstance(row, dict) else None for row in rows]
        # NaN, which has no order and would hide every other value, is unlike itself.
        present = [value for value in values if value is not None and value == value]  # noqa: PLR0124
        self.without_cursor += len(values) - len(present)
        if self._ordered:
            self._check_order(present)
            newest = next(filter(self._is_mark, reversed(present)), None)
            self._newest = self._newest if newest is None else newest
        else:
            before = [] if self._newest is None else [self._newest]
            self._newest = max([*before, *filter(self._is_mark, present)], default=None)

    def _is_mark(self, value: object) -> bool:
        return self._may_be_mark(value) and is_storable(value)

    def stop(self, position: Position) -> None:
        """Leave the rest to the next slice."""
        self._place = None
        self.has_more = True
        self.position = position

    def finish(self, position: Position) -> None:
        """Take note that the source has no more; `position` says so to the slices to come."""
        self._time.got_on()
        self._place = None
        self.position = position

    def cannot_go_on(self) -> None:
        """Take back `can_go_on`: something behind that place is still owed."""
        self._place = None

    def break_off(self) -> bool:
        """Stop behind what was handed over; return False if that is no place to go on from."""
        if self._place is None:
            return False
        self.stop(self._place)
        return True

    @property
    def newest(self) -> CursorValue | None:
        """Return the newest cursor value so far, that of earlier slices included."""
        return self._newest

    def watermark(self) -> Watermark | None:
        """Return the new watermark, or None if there is none yet."""
        if self.cursor is None or self._newest is None or (self.has_more and not self._ordered):
            return None
        return encode(self.stream, self.cursor, self._settled(self._newest))

    def _check_order(self, values: Sequence[Any]) -> None:
        # How text is ordered is the affair of the source's collation.
        comparable = [value for value in values if not isinstance(value, str)]
        if not comparable:
            return
        before = [*([] if self._last is None else [self._last]), *comparable]
        if not all(map(le, before, before[1:])):
            raise PermanentError(
                f"{self.stream} gave a smaller {self.cursor} after a greater one, although it was"
                " asked for in order. Choose a cursor that the source can sort by.",
                code=Reason.CURSOR_BACKWARDS,
            )
        self._last = comparable[-1]
