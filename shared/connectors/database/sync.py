"""One slice of a database connector: connect, and move what is new, table by table."""

from functools import partial
from typing import cast

from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.connection import SourceConnection
from shared.connectors.database.engine import source_engine
from shared.connectors.database.position import identity_of
from shared.connectors.database.source import table_stream
from shared.connectors.positions import is_finished
from shared.connectors.runner import run_streams


def sync(request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
    """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
    config = cast("DatabaseConfig", request.config)
    source = SourceConnection(source_engine(config, request.guard, request.lines, request.files))
    selected = [stream.as_read() for stream in config.streams]
    streams = {
        stream.table: partial(
            table_stream,
            source,
            stream,
            request.watermarks.get(stream.table),
            request.positions.get(stream.table),
        )
        for stream in selected
        if not is_finished(identity_of(stream), request.positions.get(stream.table))
    }
    return run_streams(
        request,
        streams,
        confirm_lease,
        others_are_done=len(streams) < len(config.streams),
        hang_up=source.close,
    )
