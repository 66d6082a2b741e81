"""What a look at single streams of a source has found, and whether it concerns them all."""

from shared.connectors.base import StreamFailure
from shared.domain.fault import Fault
from shared.errors import PermanentError, SynclineError, TransientError


def is_of_the_connector(failure: SynclineError) -> bool:
    """Tell whether every other stream would meet the same; asking each would only take its time."""
    fault = getattr(failure, "fault", None)
    return fault is not None and (
        Fault(fault).is_of_the_connector or fault in (Fault.TIMEOUT, Fault.ADDRESS_NOT_ALLOWED)
    )


def failed_look(stream: str, failure: SynclineError) -> StreamFailure:
    """Return a failure as that of a stream; raise it if it is none of a source."""
    if not isinstance(failure, TransientError | PermanentError):
        raise failure
    return StreamFailure(stream, failure)
