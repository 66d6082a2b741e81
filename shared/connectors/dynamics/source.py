"""One entity set as a stream, read from where the sync or the slice before ended."""

from collections.abc import Sequence
from datetime import datetime

from shared.connectors.base import Position, Watermark
from shared.connectors.dynamics.companies import Company, list_companies
from shared.connectors.dynamics.hints import doubts_of, hints_of
from shared.connectors.dynamics.plans import Plan, plan_stream
from shared.connectors.dynamics.position import Stop, identity_of
from shared.connectors.dynamics.progress import CursorProgress, LinkProgress
from shared.connectors.dynamics.queries import delta_url, earlier, newest_of
from shared.connectors.dynamics.reading import Progress, StreamReading
from shared.connectors.dynamics.session import ODataSession
from shared.connectors.dynamics.stream_config import StreamConfig
from shared.connectors.json_http.cursor_config import SyncMode
from shared.connectors.positions import read_stop
from shared.connectors.slices import StreamTime
from shared.connectors.streams import Stream, Whole


class Service:
    """The streams of one service, for the length of a slice: companies are asked for once."""

    def __init__(self, session: ODataSession, now: datetime) -> None:
        self._session = session
        self._now = now
        self._companies: Sequence[Company | None] | None = None

    def stream(
        self,
        stream: StreamConfig,
        watermark: Watermark | None,
        position: Position | None,
        time: StreamTime,
    ) -> Stream:
        """Return a stream; no record is asked for before the first page is wanted.

        Raises `PermanentError` if settings, watermark or position cannot be used, and as
        `ODataSession.page`.
        """
        plan = plan_stream(self._session, stream)
        columns = hints_of(plan)
        identity = identity_of(self._session.config, stream)
        begun = read_stop(stream.entity, identity, position, Stop.read)
        companies = self._companies_of()
        stop = begun or self._beginning(plan, watermark, is_one=len(companies) == 1)
        progress = _progress(plan, stop, watermark, time, is_one=len(companies) == 1)
        reading = StreamReading(self._session, plan, stop, identity, progress, companies, self._now)
        return Stream(
            reading.pages(),
            plan.key,
            progress,
            columns,
            doubts=doubts_of(plan),
            whole=_whole(plan, stop),
        )

    def _beginning(self, plan: Plan, watermark: Watermark | None, *, is_one: bool) -> Stop:
        cap = self._session.server_time or self._now
        if plan.stream.delta:
            return Stop(cap, delta=delta_url(self._session.config, plan, watermark))
        newest = newest_of(plan, watermark)
        start = None if newest is None else earlier(plan, newest)
        return Stop(cap, start, newest, is_sorted=plan.stream.ordered and is_one)

    def _companies_of(self) -> Sequence[Company | None]:
        if self._companies is None:
            self._companies = list_companies(self._session) or (None,)
        return self._companies


def _progress(
    plan: Plan, stop: Stop, watermark: Watermark | None, time: StreamTime, *, is_one: bool
) -> Progress:
    name = plan.stream.entity
    if plan.stream.delta:
        return LinkProgress(name, time)
    return CursorProgress(
        name,
        plan.cursor,
        time,
        newest=stop.newest,
        before=newest_of(plan, watermark),
        cap=stop.cap,
        is_sorted=stop.is_sorted and is_one,
    )


def _whole(plan: Plan, stop: Stop) -> Whole | None:
    is_refresh = plan.stream.sync_mode is SyncMode.FULL_REFRESH
    if not is_refresh and not (plan.stream.delta and stop.delta is None):
        return None
    return Whole.BEGINS if stop.link is None and stop.company is None else Whole.GOES_ON
