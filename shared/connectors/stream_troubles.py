"""What the failures of single streams mean for the others, and for their run."""

from collections.abc import Sequence

from shared.connectors.base import StreamFailure
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError, TransientError


def worst_of(failures: Sequence[StreamFailure]) -> TransientError | None:
    """Return the trouble that a run waits out: the one with a wait, and else the last."""
    troubles = [one.error for one in failures if isinstance(one.error, TransientError)]
    asked = [trouble for trouble in troubles if trouble.retry_after is not None]
    return next(reversed([*troubles, *asked]), None)


def ends_all(error: TransientError | PermanentError, *, is_open: bool) -> bool:
    """Tell whether no other stream can be read either; asking each would only take its time."""
    if error.code in (Reason.DATASET_UNAVAILABLE, Reason.DATASET_BUSY):
        return True
    if error.fault is None:
        return False
    fault = Fault(error.fault)
    # A connection that does not come to be is none of the stream's affairs.
    return fault.is_of_the_connector or (
        not is_open and fault in (Fault.TIMEOUT, Fault.UNAVAILABLE)
    )
