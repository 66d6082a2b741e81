"""One slice of a connector to files: move what is new, stream by stream."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import cast

from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.marks import write_mark
from shared.connectors.cloud_storage.opening import open_store
from shared.connectors.cloud_storage.position import identity_of
from shared.connectors.cloud_storage.reading import FilesReading
from shared.connectors.cloud_storage.source import begin_reading, file_stream
from shared.connectors.cloud_storage.store import Store
from shared.connectors.cloud_storage.stream_config import StreamConfig
from shared.connectors.positions import is_finished
from shared.connectors.runner import Stream, run_streams
from shared.connectors.slices import StreamTime

_Readings = dict[str, FilesReading]


def sync(request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
    """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
    config = cast("CloudStorageConfig", request.config)
    readings: _Readings = {}
    with open_store(config, request) as store:
        streams = {
            stream.name: partial(_open, request, store, stream, readings)
            for stream in config.streams
            if not is_finished(identity_of(config, stream), request.positions.get(stream.name))
        }
        result = run_streams(
            request, streams, confirm_lease, others_are_done=len(streams) < len(config.streams)
        )
    watermarks = {watermark.stream: watermark for watermark in result.watermarks}
    # Files without a record move no watermark, and are known to be read all the same.
    unmoved = {name: request.watermarks.get(name) for name in result.finished}
    marked = [
        write_mark(watermark, reading.mark, reading.read)
        for name, reading in readings.items()
        if reading.config.cursor is not None
        and (watermark := watermarks.get(name) or unmoved.get(name)) is not None
        and (name in watermarks or reading.has_news)
    ]
    return replace(
        result, watermarks=tuple(marked), metadata={**result.metadata, **_told(readings)}
    )


def _open(
    request: SyncRequest,
    store: Store,
    stream: StreamConfig,
    readings: _Readings,
    time: StreamTime,
) -> Stream:
    name = stream.name
    identity = identity_of(cast("CloudStorageConfig", request.config), stream)
    reading, whole = begin_reading(
        stream, identity, request.watermarks.get(name), request.positions.get(name), time
    )
    readings[name] = reading
    return file_stream(store, stream, reading, whole)


def _told(readings: _Readings) -> Mapping[str, object]:
    unreadable = {
        name: reading.unreadable.told()
        for name, reading in readings.items()
        if reading.unreadable.total
    }
    told: dict[str, object] = {
        "files_read": sum(reading.files_read for reading in readings.values()),
        "files_gone": sum(reading.files_gone for reading in readings.values()),
    }
    return {**told, "unreadable_records": unreadable} if unreadable else told
