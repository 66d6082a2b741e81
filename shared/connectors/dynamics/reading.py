"""Read a stream page by page, company by company, until it ends or the slice does."""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest

from shared.connectors.base import Position
from shared.connectors.dynamics.companies import Company
from shared.connectors.dynamics.plans import DELETED_AT, Plan, not_tracked
from shared.connectors.dynamics.position import Stop
from shared.connectors.dynamics.progress import CursorProgress, LinkProgress
from shared.connectors.dynamics.queries import first_url, preferences, stored_link
from shared.connectors.dynamics.session import ExpiredLinkError, ODataSession, Page
from shared.connectors.json_http.answers import Record, is_object
from shared.connectors.json_http.intake import check_key
from shared.connectors.json_http.trail import Trail
from shared.connectors.positions import finished
from shared.connectors.sandbox import PAGE_ROWS
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_ADVICE = "Ask who runs the service."
_NO_SUCH_PAGE = frozenset({Fault.SCHEMA, Fault.NOT_FOUND})
"""How a source refuses a page that it named before: its mark expired, or the page is gone."""
_DELETED = "$deletedEntity"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Progress = CursorProgress | LinkProgress


class StreamReading:
    """What one slice reads of one stream; `stop` is where it goes on, or begins.

    `companies` are its parts in their order, or None alone.
    """

    def __init__(
        self,
        session: ODataSession,
        plan: Plan,
        stop: Stop,
        identity: str,
        progress: Progress,
        companies: Sequence[Company | None],
        now: datetime,
    ) -> None:
        self._session = session
        self._plan = plan
        self._stop = stop
        self._identity = identity
        self._progress = progress
        self._companies = companies
        self._now = now
        self._has_restarted = stop.has_restarted
        self._missing: list[PermanentError] = []

    def pages(self) -> Iterator[list[Record]]:
        """Yield the records in pages of at most `PAGE_ROWS`, and tell the progress how far."""
        first = self._stop.company or ""
        parts = [one for one in self._companies if one is None or one.id >= first]
        for part, after in zip_longest(parts, parts[1:]):
            try:
                has_stopped = yield from self._pages_of(part, after)
            except ExpiredLinkError:
                if self._stop.delta is None:
                    raise
                self._read_all_next()
                return
            if has_stopped:
                return
        if parts and self._stop.company is None and len(self._missing) == len(parts):
            # A single company was deleted meanwhile; if none has the entity set, its name is wrong.
            raise self._missing[0]
        self._progress.finish(finished(self._identity))

    def _read_all_next(self) -> None:
        """Leave the stream to a slice that replaces all of it: nobody can say what changed."""
        self._progress.observe(())
        self._progress.stop(Stop(cap=self._stop.cap).position(self._identity))

    def _pages_of(
        self, part: Company | None, after: Company | None
    ) -> Generator[list[Record], None, bool]:
        """Yield the pages of one part; return whether the slice ends behind one of them."""
        trail = Trail(self._plan.stream.entity, self._plan.key, _ADVICE)
        link = None
        if self._stop.link is not None and _id_of(part) == self._stop.company:
            link = self._stop.link
            trail.recall(self._stop.memory)
        try:
            for page, rows in self._followed(part, link, trail):
                behind = self._behind(part, after, page, trail)
                yield from self._handed_over(rows, behind)
                if behind is not None and not self._progress.goes_on():
                    self._progress.stop(behind())
                    return True
        except PermanentError as error:
            if error.code == Reason.CURSOR_STUCK:
                self._progress.observe(())  # from no page of a circle does it go on
            raise
        return False

    def _followed(
        self, part: Company | None, link: str | None, trail: Trail
    ) -> Iterator[tuple[Page, list[Record]]]:
        url = link or self._first(part)
        pages = self._chain(url, part, trail)
        try:
            first = next(pages)
        except PermanentError as error:
            if link is not None and _is_forgotten(error) and not self._has_restarted:
                self._has_restarted = True
                trail.forget()
                yield from self._followed(part, None, trail)
            elif part is not None and error.fault == Fault.NOT_FOUND:
                self._missing.append(error)
                yield Page([]), []
            else:
                raise
            return
        yield first
        yield from pages

    def _first(self, part: Company | None) -> str:
        if isinstance(self._progress, CursorProgress):
            self._progress.begin_again()
        config = self._session.config
        return self._stop.delta or first_url(config, self._plan, part, self._stop.start)

    def _chain(
        self, url: str, part: Company | None, trail: Trail
    ) -> Iterator[tuple[Page, list[Record]]]:
        """Yield pages and their rows; the next is asked for when it is wanted."""
        tracks = self._plan.stream.delta and self._stop.delta is None
        wanted = preferences(self._session.config.page_size, tracks=tracks)
        address: str | None = url
        while address is not None:
            page = self._session.page(address, preferences=wanted)
            if tracks and not trail.seen and not page.is_tracked:
                raise not_tracked(self._plan)
            rows = [self._row(record, part) for record in page.records]
            check_key(self._plan.stream.entity, self._plan.key, rows)
            trail.arrive(address, rows)
            if page.next is not None:
                trail.leave(page.next)
            elif isinstance(self._progress, LinkProgress):
                self._progress.link = self._link_behind(page)
            yield page, rows
            address = page.next

    def _link_behind(self, page: Page) -> str:
        """Return the link to the changes to come; the one before if there was no change."""
        link = page.delta or self._stop.delta
        if link is None:
            raise not_tracked(self._plan)
        return stored_link(self._session.config, link)

    def _row(self, record: Record, part: Company | None) -> Record:
        deleted = deleted_id(record) if self._plan.stream.delta else None
        if deleted is None:
            return self._plan.landed(record, _id_of(part))
        return {self._plan.key[0]: deleted, DELETED_AT: self._now}

    def _behind(
        self, part: Company | None, after: Company | None, page: Page, trail: Trail
    ) -> Callable[[], Position] | None:
        """Return what makes the position behind a page once it is observed; None at the end."""
        if page.next is None and after is None:
            return None
        company = part if page.next is not None else after

        def position() -> Position:
            stop = replace(
                self._stop,
                newest=self._progress.newest,
                company=_id_of(company),
                link=page.next,
                memory=trail.memory(),
                has_restarted=self._has_restarted,
            )
            return stop.position(self._identity)

        return position

    def _handed_over(
        self, rows: list[Record], behind: Callable[[], Position] | None
    ) -> Iterator[list[Record]]:
        chunks = range(0, len(rows), PAGE_ROWS) or range(1)
        for start in chunks:
            chunk = rows[start : start + PAGE_ROWS]
            self._progress.observe(chunk)
            if behind is not None and start == chunks[-1]:
                self._progress.can_go_on(behind())
            if chunk:
                yield chunk


def deleted_id(record: Record) -> str | None:
    """Return the id of a record that was deleted, None if it is another."""
    if not is_object(record):
        return None
    context, removed = record.get("@odata.context"), record.get("@removed")
    if removed is None and not (isinstance(context, str) and context.endswith(_DELETED)):
        return None
    # It may be the address of the record.
    found = _ID.search(str(record.get("id") or record.get("@id") or record.get("@odata.id")))
    return None if found is None else found[0].lower()


def _id_of(company: Company | None) -> str | None:
    return None if company is None else company.id


def _is_forgotten(error: PermanentError) -> bool:
    return error.code == Reason.CONFIGURATION and error.fault in _NO_SUCH_PAGE
