"""Read a stream page by page, until it ends or the slice does.

The nodes of a connection come in no order that we could rely on, so that the watermark moves only
when a stream was read to its end. Cursors do not slip when a node before them is added or deleted.
"""

from collections.abc import Callable, Iterator

from shared.connectors.base import Position
from shared.connectors.json_http.answers import Record
from shared.connectors.json_http.cursor import Cursor
from shared.connectors.json_http.intake import check_key, observe
from shared.connectors.json_http.trail import Trail
from shared.connectors.positions import finished
from shared.connectors.progress import StreamProgress
from shared.connectors.sandbox import PAGE_ROWS
from shared.connectors.xledger.connection import NodePage, page_of
from shared.connectors.xledger.position import Stop
from shared.connectors.xledger.query import Query
from shared.connectors.xledger.records import Shape
from shared.connectors.xledger.session import XledgerSession
from shared.connectors.xledger.stream_config import StreamConfig
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_ADVICE = "Check the stream's arguments or query."


class StreamReading:
    """What one slice reads of one stream; `stop` is where it goes on, or begins."""

    def __init__(
        self,
        session: XledgerSession,
        stream: StreamConfig,
        query: Query,
        stop: Stop,
        identity: str,
        progress: StreamProgress,
    ) -> None:
        self._session = session
        self._stream = stream
        self._query = query
        self._stop = stop
        self._identity = identity
        self._progress = progress
        self._shape = Shape(stream)
        self._cursor = None if stream.cursor is None else Cursor(stream.name, stream.cursor)
        self._trail = Trail(stream.name, self._shape.primary_key, _ADVICE)
        self._has_restarted = stop.has_restarted

    def pages(self, has_room: Callable[[], bool]) -> Iterator[list[Record]]:
        """Yield the records in pages of at most `PAGE_ROWS`, and tell the progress how far.

        The slice ends when its time does, or when `has_room` says no.
        """
        if self._stop.after is not None:
            self._trail.recall(self._stop.memory)
        try:
            for page, records in self._followed(self._stop.after):
                yield from self._handed_over(page, records)
                if page.after is not None and not (self._progress.goes_on() and has_room()):
                    self._progress.stop(self._behind(page))
                    return
        except PermanentError as error:
            if error.code == Reason.CURSOR_STUCK:
                self._progress.observe(())  # from no page of a circle does it go on
            raise
        self._progress.finish(finished(self._identity))

    def _followed(self, after: str | None) -> Iterator[tuple[NodePage, list[Record]]]:
        """Yield the pages from a cursor on, each with its nodes as records.

        From the first on if the source has forgotten the cursor, once in a run.
        """
        try:
            page = self._asked(after)
        except PermanentError as error:
            if after is None or self._has_restarted or error.fault != Fault.SCHEMA:
                raise
            self._has_restarted = True
            self._trail.forget()
            after, page = None, self._asked(None)
        while True:
            records = self._shape.records(page.nodes)
            self._trail.arrive(after, records)
            if page.after is not None:
                self._trail.leave(page.after)
            yield page, records
            if page.after is None:
                return
            after = page.after
            page = self._asked(after)

    def _asked(self, after: str | None) -> NodePage:
        data = self._session.ask(self._query, self._query.page(self._stream.page_size, after))
        return page_of(self._stream.name, self._stream.place, data)

    def _handed_over(self, page: NodePage, records: list[Record]) -> Iterator[list[Record]]:
        check_key(self._stream.name, self._shape.primary_key, records)
        chunks = range(0, len(records), PAGE_ROWS) or range(1)
        for start in chunks:
            part = slice(start, start + PAGE_ROWS)
            observe(self._progress, self._cursor, page.nodes[part])
            if page.after is not None and start == chunks[-1]:
                self._progress.can_go_on(self._behind(page))
            if records[part]:
                yield records[part]

    def _behind(self, page: NodePage) -> Position:
        """Return the position behind a page that is observed."""
        stop = Stop(
            window=self._stop.window,
            newest=self._progress.newest,
            after=page.after,
            memory=self._trail.memory(),
            has_restarted=self._has_restarted,
        )
        return stop.position(self._identity)
