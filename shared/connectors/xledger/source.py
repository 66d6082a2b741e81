"""One stream of Xledger, read from where the sync or the slice before ended."""

from datetime import UTC, datetime, timedelta
from functools import partial

from shared.connectors.base import Position, Watermark
from shared.connectors.json_http.cursor import Cursor, Window
from shared.connectors.json_http.cursor_config import CursorFormat, SyncMode
from shared.connectors.json_http.kinds import Kinds
from shared.connectors.json_http.spool import Spool
from shared.connectors.positions import read_stop
from shared.connectors.progress import StreamProgress
from shared.connectors.slices import StreamTime
from shared.connectors.streams import Stream, Whole
from shared.connectors.watermarks import CursorValue
from shared.connectors.xledger.config import XledgerConfig
from shared.connectors.xledger.names import column_of
from shared.connectors.xledger.position import Stop, identity_of
from shared.connectors.xledger.query import page_query
from shared.connectors.xledger.reading import StreamReading
from shared.connectors.xledger.session import XledgerSession
from shared.connectors.xledger.stream_config import NodeCursorConfig, StreamConfig


def xledger_stream(
    session: XledgerSession,
    config: XledgerConfig,
    stream: StreamConfig,
    watermark: Watermark | None,
    position: Position | None,
    now: datetime,
    time: StreamTime,
) -> Stream:
    """Return a stream; raise `PermanentError` if watermark or position cannot be used.

    Nodes are asked for from the watermark on, less the look-back. Nothing is asked before the
    first page is wanted.
    """
    identity = identity_of(config, stream)
    begun = read_stop(stream.name, identity, position, Stop.read)
    stop = begun or _beginning(stream, watermark, now)
    field = None if stream.cursor is None else stream.cursor.field
    progress = StreamProgress(
        stream.name,
        field,
        time,
        ordered=False,
        newest=stop.newest,
        settled=partial(_settled, stream, stop.window),
    )
    query = page_query(config, stream, stop.window)
    reading = StreamReading(session, stream, query, stop, identity, progress)
    primary_key = tuple(map(column_of, stream.primary_key))
    spool = Spool(Kinds(primary_key, None if field is None else column_of(field)))
    return Stream(
        spool.passed(reading.pages(spool.has_room)),
        primary_key,
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
    # Xledger's times are those of Norway, which is ahead of UTC.
    return Cursor(stream.name, stream.cursor, timedelta(0)).settled(newest, window)


def _beginning(stream: StreamConfig, watermark: Watermark | None, now: datetime) -> Stop:
    if stream.cursor is None:
        return Stop(Window())
    cursor = Cursor(stream.name, stream.cursor)
    newest = _as_written(stream.cursor, cursor.newest_of(watermark))
    is_local = stream.cursor.format is CursorFormat.ISO8601 and not stream.cursor.has_zone
    return Stop(cursor.window(newest, now.replace(tzinfo=None) if is_local else now), newest)


def _as_written(config: NodeCursorConfig, value: CursorValue | None) -> CursorValue | None:
    """Return a time with a zone, or without one, as the source writes its own.

    A person who sets a watermark gives it a zone, or means a day. Of a zone ahead of UTC, as
    Norway's is, the same digits without one are earlier, and nothing is missed.
    """
    if not isinstance(value, datetime) or config.has_zone is (value.tzinfo is not None):
        return value
    return value.replace(tzinfo=UTC if config.has_zone else None)
