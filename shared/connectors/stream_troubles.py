"""What the failures of single streams mean for the others, their run, and its next slice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from shared.connectors.base import Position, StreamFailure
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError, TransientError

FAILED = ""
"""Beside the positions of streams, none of which has this name: what failed in the run so far."""


@dataclass(frozen=True, slots=True)
class PastFailure:
    """What failed of a stream in an earlier slice of the run, the last of so many times.

    It `stands` if the stream came to its end all the same, so that no slice looks at it again.
    """

    error: TransientError | PermanentError
    times: int
    stands: bool = False


def past_failures(positions: Mapping[str, Position]) -> Mapping[str, PastFailure]:
    """Return what failed in earlier slices of the run, by stream."""
    return {
        stream: PastFailure(_error(told), told["times"], told["stands"])
        for stream, told in cast("Mapping[str, Any]", positions.get(FAILED, {})).items()
    }


def failures_kept(
    past: Mapping[str, PastFailure], failures: Sequence[StreamFailure], ended: Collection[str] = ()
) -> Mapping[str, Position]:
    """Return what goes into the positions for the next slice: nothing if nothing has failed.

    `failures` are those of this slice, in which the streams of `ended` came to their end.
    """
    kept = dict(past)
    for failure in failures:
        name, before = failure.stream, past.get(failure.stream)
        times = 1 + (before.times if before else 0)
        kept[name] = PastFailure(failure.error, times, stands=name in ended)
    return {FAILED: {stream: _told(one) for stream, one in kept.items()}} if kept else {}


def without_counts(positions: Mapping[str, Position]) -> Mapping[str, Position]:
    """Return positions without what counts up by itself, to see whether a slice got on."""
    failed = cast("Mapping[str, Any]", positions.get(FAILED, {}))
    told = {stream: one["error"] for stream, one in failed.items()}
    return {**positions, FAILED: told} if told else positions


def worst_of(failures: Sequence[StreamFailure]) -> TransientError | None:
    """Return the trouble that a run waits out: the one with a wait, and else the last."""
    troubles = [one.error for one in failures if isinstance(one.error, TransientError)]
    asked = [trouble for trouble in troubles if trouble.retry_after is not None]
    return next(reversed([*troubles, *asked]), None)


def ends_all(error: TransientError | PermanentError, *, is_open: bool) -> bool:
    """Tell whether no other stream can be read either; asking each would only take its time."""
    if error.is_of_connector or error.code in (Reason.DATASET_UNAVAILABLE, Reason.DATASET_BUSY):
        return True
    if error.fault is None:
        return False
    fault = Fault(error.fault)
    # A connection that does not come to be is none of the stream's affairs.
    return fault.is_of_the_connector or (not is_open and fault in _OF_CONNECTING)


_OF_CONNECTING = frozenset({Fault.ADDRESS_NOT_ALLOWED, Fault.TIMEOUT, Fault.UNAVAILABLE})


def _told(past: PastFailure) -> Mapping[str, object]:
    error = past.error
    return {
        "error": str(error),
        "code": error.code,
        "fault": error.fault,
        "passes": isinstance(error, TransientError),
        "times": past.times,
        "stands": past.stands,
    }


def _error(told: Mapping[str, Any]) -> TransientError | PermanentError:
    kind = TransientError if told["passes"] else PermanentError
    return kind(told["error"], code=told["code"], fault=told["fault"])
