"""One stream of an API, read from where the sync or the slice before ended."""

from datetime import datetime
from functools import partial

from shared.connectors.api.config import ApiConfig
from shared.connectors.api.parts import parts_of
from shared.connectors.api.position import Stop, identity_of
from shared.connectors.api.reading import StreamReading
from shared.connectors.api.stream_config import StreamConfig, SyncMode
from shared.connectors.base import Position, Watermark
from shared.connectors.json_http.cursor import Cursor, Window
from shared.connectors.json_http.kinds import Kinds
from shared.connectors.json_http.session import JsonSession
from shared.connectors.json_http.spool import Spool
from shared.connectors.positions import read_stop
from shared.connectors.progress import StreamProgress
from shared.connectors.slices import StreamTime
from shared.connectors.streams import Stream, Whole
from shared.connectors.watermarks import CursorValue


def api_stream(
    session: JsonSession,
    config: ApiConfig,
    stream: StreamConfig,
    watermark: Watermark | None,
    position: Position | None,
    now: datetime,
    time: StreamTime,
) -> Stream:
    """Return a stream; raise `PermanentError` if watermark or position cannot be used.

    Records are asked for from the watermark on, less the look-back, and up to `now` if the stream
    has a parameter for that. Nothing is asked before the first page is wanted.
    """
    identity = identity_of(config, stream)
    begun = read_stop(stream.name, identity, position, Stop.read)
    stop = begun or _beginning(stream, watermark, now)
    progress = StreamProgress(
        stream.name,
        None if stream.cursor is None else stream.cursor.field,
        time,
        ordered=False,
        newest=stop.newest,
        settled=partial(_settled, stream, stop.window),
    )
    reading = StreamReading(session, config, stream, stop, identity, progress)
    find_parts = partial(parts_of, session, config, stream, stop, progress)
    spool = Spool(Kinds(stream.primary_key, progress.cursor))
    return Stream(
        spool.passed(reading.pages(find_parts, spool.has_room)),
        tuple(stream.primary_key),
        progress,
        spool.columns,
        whole=_whole(stream, is_begun=begun is not None),
    )


def _whole(stream: StreamConfig, *, is_begun: bool) -> Whole | None:
    if stream.sync_mode is not SyncMode.FULL_REFRESH:
        return None
    return Whole.GOES_ON if is_begun else Whole.BEGINS


def _settled(stream: StreamConfig, window: Window, newest: CursorValue) -> CursorValue:
    if stream.cursor is None:
        return newest
    return Cursor(stream.name, stream.cursor).settled(newest, window)


def _beginning(stream: StreamConfig, watermark: Watermark | None, now: datetime) -> Stop:
    if stream.cursor is None:
        return Stop(Window())
    cursor = Cursor(stream.name, stream.cursor)
    newest = cursor.newest_of(watermark)
    return Stop(cursor.window(newest, now), newest)
