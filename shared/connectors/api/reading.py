"""Read a stream page by page, until it ends or the slice does.

The records of an API come in no order that we could rely on, so that the watermark moves only when
a stream was read to its end. Records that change while they are paged change their place as well:
one that comes twice is merged by its key, and one that moved ahead of its page is met there. One
that moved behind us by its change was read as it was before, and has a newer cursor value now: the
next sync reads it. One that slipped behind us unread, since another was deleted meanwhile, is read
by the next sync only if the look-back reaches it: pages by cursor or link do not slip.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from shared.connectors.api.asks import Parent, first_ask
from shared.connectors.api.config import ApiConfig
from shared.connectors.api.followed import Page, PagePlace, follow, trail_of
from shared.connectors.api.position import Stop
from shared.connectors.api.records import Intake
from shared.connectors.api.stream_config import StreamConfig
from shared.connectors.base import Position
from shared.connectors.json_http.answers import Record
from shared.connectors.json_http.session import JsonSession
from shared.connectors.json_http.trail import Trail
from shared.connectors.positions import finished
from shared.connectors.progress import StreamProgress
from shared.connectors.sandbox import PAGE_ROWS
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_NO_SUCH_PAGE = frozenset({Fault.SCHEMA, Fault.NOT_FOUND})
"""How a source refuses a page that it named before: its mark expired, or the page is gone."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is read by one chain of pages: a stream, or its records of one parent."""

    parent: Parent | None = None
    key: tuple[Any, ...] | None = None


class StreamReading:
    """What one slice reads of one stream; `stop` is where it goes on, or begins."""

    def __init__(
        self,
        session: JsonSession,
        config: ApiConfig,
        stream: StreamConfig,
        stop: Stop,
        identity: str,
        progress: StreamProgress,
    ) -> None:
        self._session = session
        self._config = config
        self._stream = stream
        self._stop = stop
        self._identity = identity
        self._progress = progress
        self._intake = Intake(stream, progress)
        self._has_restarted = stop.has_restarted
        self._missing: list[PermanentError] = []

    def pages(
        self, find_parts: Callable[[], Sequence[Part]], has_room: Callable[[], bool]
    ) -> Iterator[list[Record]]:
        """Yield the records in pages of at most `PAGE_ROWS`, and tell the progress how far.

        The slice ends when its time does, or when `has_room` says no.
        """
        parts = find_parts()
        for part, after in zip_longest(parts, parts[1:]):
            has_stopped = yield from self._pages_of(part, after, has_room)
            if has_stopped:
                return
        if parts and len(self._missing) == len(parts):
            # A single parent was deleted meanwhile; if none has children, the path is wrong.
            raise self._missing[0]
        self._progress.finish(finished(self._identity))

    def _pages_of(
        self, part: Part, after: Part | None, has_room: Callable[[], bool]
    ) -> Generator[list[Record], None, bool]:
        """Yield the pages of one part; return whether the slice ends behind one of them."""
        goes_on_here = self._stop.place is not None and part.key == self._stop.parent
        trail = trail_of(self._stream)
        if goes_on_here:
            trail.recall(self._stop.memory)
        try:
            place = self._stop.place if goes_on_here else None
            for page in self._followed(part, place, trail):
                behind = self._behind(part, after, page, trail)
                yield from self._handed_over(part, page, behind)
                if behind is not None and not (self._progress.goes_on() and has_room()):
                    self._progress.stop(behind())
                    return True
        except PermanentError as error:
            if error.code == Reason.CURSOR_STUCK:
                self._progress.observe(())  # from no page of a circle does it go on
            raise
        return False

    def _followed(self, part: Part, place: PagePlace | None, trail: Trail) -> Iterator[Page]:
        window = self._stop.window
        start = place or PagePlace(first_ask(self._config, self._stream, window, part.parent))
        pages = follow(self._session, self._config, self._stream, start, trail)
        try:
            first = next(pages)
        except PermanentError as error:
            if place is not None and _is_forgotten(error) and not self._has_restarted:
                self._has_restarted = True
                trail.forget()
                yield from self._followed(part, None, trail)
            elif part.parent is not None and error.fault == Fault.NOT_FOUND:
                self._missing.append(error)
                yield Page([], None)
            else:
                raise
            return
        yield first
        yield from pages

    def _behind(
        self, part: Part, after: Part | None, page: Page, trail: Trail
    ) -> Callable[[], Position] | None:
        """Return what makes the position behind a page once it is observed; None at the end."""
        if page.next is None and after is None:
            return None
        key = part.key if page.next is not None or after is None else after.key

        def position() -> Position:
            stop = Stop(
                window=self._stop.window,
                newest=self._progress.newest,
                parent=key,
                place=page.next,
                memory=trail.memory(),
                has_restarted=self._has_restarted,
            )
            return stop.position(self._identity)

        return position

    def _handed_over(
        self, part: Part, page: Page, behind: Callable[[], Position] | None
    ) -> Iterator[list[Record]]:
        chunks = range(0, len(page.records), PAGE_ROWS) or range(1)
        for start in chunks:
            records = self._intake.take(page.records[start : start + PAGE_ROWS], part.parent)
            if behind is not None and start == chunks[-1]:
                self._progress.can_go_on(behind())
            if records:
                yield records


def _is_forgotten(error: PermanentError) -> bool:
    return error.code == Reason.CONFIGURATION and error.fault in _NO_SUCH_PAGE
