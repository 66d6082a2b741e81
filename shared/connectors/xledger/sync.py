"""One slice of an Xledger connector: move what is new, stream by stream."""

from functools import partial
from typing import cast

from shared.clock import utc_now
from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.positions import is_finished
from shared.connectors.runner import run_streams
from shared.connectors.xledger.config import XledgerConfig
from shared.connectors.xledger.position import identity_of
from shared.connectors.xledger.session import XledgerSession
from shared.connectors.xledger.source import xledger_stream


def sync(request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
    """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
    config = cast("XledgerConfig", request.config)
    now = utc_now()
    with XledgerSession(request) as session:
        streams = {
            stream.name: partial(
                xledger_stream,
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
