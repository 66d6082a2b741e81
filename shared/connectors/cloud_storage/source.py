"""The files of one stream, read from where the sync or the slice before ended."""

from shared.connectors.base import Position, Watermark
from shared.connectors.cloud_storage.marks import read_mark
from shared.connectors.cloud_storage.position import Stop, stop_of
from shared.connectors.cloud_storage.reading import FilesReading
from shared.connectors.cloud_storage.store import Store
from shared.connectors.cloud_storage.stream_config import StreamConfig, SyncMode
from shared.connectors.positions import read_stop
from shared.connectors.progress import StreamProgress
from shared.connectors.slices import StreamTime
from shared.connectors.streams import Stream, Whole


def begin_reading(
    config: StreamConfig,
    identity: str,
    watermark: Watermark | None,
    position: Position | None,
    time: StreamTime,
) -> tuple[FilesReading, Whole | None]:
    """Return what reads a stream, and whether all of it is read; raise `PermanentError`."""
    begun = read_stop(config.name, identity, position, stop_of)
    progress = StreamProgress(config.name, config.cursor, time, ordered=True)
    mark = read_mark(watermark, config.cursor)
    reading = FilesReading(config, identity, mark, begun or Stop(), progress)
    if config.sync_mode is not SyncMode.FULL_REFRESH:
        return reading, None
    return reading, Whole.BEGINS if begun is None else Whole.GOES_ON


def file_stream(
    store: Store, config: StreamConfig, reading: FilesReading, whole: Whole | None
) -> Stream:
    """Return a stream; nothing is listed before its first page is wanted."""
    return Stream(
        reading.pages(store),
        tuple(config.primary_key),
        reading.progress,
        reading.columns,
        whole=whole,
    )
