"""One slice of a Dynamics connector: move what is new, stream by stream."""

from functools import partial
from typing import cast

from shared.clock import utc_now
from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.dynamics.position import identity_of
from shared.connectors.dynamics.session import ODataSession
from shared.connectors.dynamics.source import Service
from shared.connectors.positions import is_finished
from shared.connectors.runner import run_streams


def sync(request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
    """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
    config = cast("DynamicsConfig", request.config)
    with ODataSession(request) as session:
        service = Service(session, utc_now())
        streams = {
            stream.entity: partial(
                service.stream,
                stream,
                request.watermarks.get(stream.entity),
                request.positions.get(stream.entity),
            )
            for stream in config.streams
            if not is_finished(identity_of(config, stream), request.positions.get(stream.entity))
        }
        return run_streams(
            request, streams, confirm_lease, others_are_done=len(streams) < len(config.streams)
        )
