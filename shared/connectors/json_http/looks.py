"""Whether what a look at one stream of a source has met concerns them all."""

from shared.domain.fault import Fault
from shared.errors import SynclineError


def is_of_the_connector(failure: SynclineError) -> bool:
    """Tell whether every other stream would meet the same; asking each would only take its time."""
    fault = getattr(failure, "fault", None)
    return fault is not None and (
        Fault(fault).is_of_the_connector or fault in (Fault.TIMEOUT, Fault.ADDRESS_NOT_ALLOWED)
    )
