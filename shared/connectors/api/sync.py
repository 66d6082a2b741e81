"""One slice of an API connector: move what is new, stream by stream."""

from functools import partial
from typing import cast

from shared.clock import utc_now
from shared.connectors.api.config import ApiConfig
from shared.connectors.api.position import identity_of
from shared.connectors.api.session import open_session
from shared.connectors.api.source import api_stream
from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.positions import is_finished
from shared.connectors.runner import run_streams


def sync(request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
    """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
    config = cast("ApiConfig", request.config)
    now = utc_now()
    with open_session(request) as session:
        streams = {
            stream.name: partial(
                api_stream,
                session,
                config,
                stream,
                request.watermarks.get(stream.name),
                request.positions.get(stream.name),
                now,
            )
            for stream in config.streams
            if not is_finished(identity_of(config, stream), request.positions.get(stream.name))
        }
        return run_streams(
            request, streams, confirm_lease, others_are_done=len(streams) < len(config.streams)
        )
