"""One slice of a database connector: connect, look at the tables, move what is new."""

from functools import partial
from typing import cast

from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.engine import source_engine
from shared.connectors.database.position import is_finished
from shared.connectors.database.source import table_stream
from shared.connectors.failures import source_failure
from shared.connectors.runner import Stream, run_streams
from shared.connectors.slices import SliceTime
from shared.errors import SynclineError


def sync_database(request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
    """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
    config = cast("DatabaseConfig", request.config)
    return run_streams(request, partial(_streams, config, request), confirm_lease)


def _streams(config: DatabaseConfig, request: SyncRequest, slice_time: SliceTime) -> list[Stream]:
    engine, positions = source_engine(config, request.guard, request.lines), request.positions
    try:
        return [
            table_stream(
                engine,
                stream,
                request.watermarks.get(stream.table),
                positions.get(stream.table),
                slice_time,
            )
            for stream in config.streams
            if not is_finished(stream, positions.get(stream.table))
        ]
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise source_failure(error) from None
