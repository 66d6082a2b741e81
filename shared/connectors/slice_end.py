"""How a run goes on after a slice, decided from what became of its streams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.connectors.base import StreamFailure
from shared.connectors.stream_troubles import PastFailure, worst_of
from shared.errors import TransientError

MOST_AT_ONCE = 3
"""How many times in a run a source may break off a stream and be read on without a wait."""


class Course(StrEnum):
    """How a run goes on after a slice."""

    OVER = "over"
    """Every stream came to its end, or failed for good."""
    AT_ONCE = "at_once"
    """Another slice follows: there is more to read."""
    AFTER_WAIT = "after_wait"
    """Another attempt follows, once what is in the way may have passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFacts:
    """What became of the streams of a slice, each by its name.

    - `ended`: read to their end. `unfinished`: read, and there is more, be it for want of time or
      since the source broke off, which is a failure besides.
    - `failures` of this slice; `past` ones of earlier slices of the run.
    - `left`: there was no time for them. `untried`: those behind a failure that no other stream
      could get past; the slice `is_hopeless` then.
    - `others_are_done`: earlier slices of the run have finished some.
    """

    ended: Sequence[str] = ()
    unfinished: Sequence[str] = ()
    failures: Sequence[StreamFailure] = ()
    past: Mapping[str, PastFailure] = field(default_factory=dict[str, PastFailure])
    left: Sequence[str] = ()
    untried: Sequence[str] = ()
    is_hopeless: bool = False
    others_are_done: bool = False


@dataclass(frozen=True, slots=True)
class SliceEnd:
    """How the run goes on, with all that failed; `trouble` is what it waits out."""

    course: Course
    failures: tuple[StreamFailure, ...] = ()
    trouble: TransientError | None = None


def end_of(facts: SliceFacts) -> SliceEnd:
    """Return how the run goes on; raise the error that kept every stream of it from being synced.

    | there is more to read | a failure may pass | is hopeless | course |
    | --- | --- | --- | --- |
    | no | no | | over |
    | no | yes | | after a wait |
    | yes | no | | at once |
    | yes | yes | no | at once |
    | yes | yes | yes | after a wait |
    | only of sources that break off again and again | yes | | after a wait |

    Streams that failed before are given up, as what they failed with, if there is no time for them
    and nothing else is left to read: a run with failures would never end. A failure that stands is
    told by every slice behind it.
    """
    given_up = _given_up(facts)
    left = [name for name in facts.left if name not in given_up]
    failures = (
        *facts.failures,
        *(StreamFailure(name, facts.past[name].error) for name in _standing(facts)),
        *(StreamFailure(name, facts.past[name].error) for name in given_up),
        *(StreamFailure(name, facts.failures[-1].error) for name in facts.untried),
    )
    trouble = worst_of(failures)
    is_moved = facts.ended or facts.unfinished or left or facts.others_are_done
    if failures and not is_moved:
        raise trouble or failures[0].error
    if trouble is not None and (facts.is_hopeless or not _goes_on_at_once(facts, left)):
        return SliceEnd(Course.AFTER_WAIT, failures, trouble)
    has_more = left or facts.unfinished
    return SliceEnd(Course.AT_ONCE if has_more else Course.OVER, failures)


def _given_up(facts: SliceFacts) -> Sequence[str]:
    is_all_that_is_left = not facts.unfinished and all(name in facts.past for name in facts.left)
    return facts.left if is_all_that_is_left else ()


def _standing(facts: SliceFacts) -> Sequence[str]:
    here = {failure.stream for failure in facts.failures}
    here.update(facts.ended, facts.unfinished, facts.left, facts.untried)
    return [name for name, past in facts.past.items() if past.stands and name not in here]


def _goes_on_at_once(facts: SliceFacts, left: Sequence[str]) -> bool:
    broken_off = {failure.stream for failure in facts.failures}
    too_often = {
        name for name in broken_off if name in facts.past and facts.past[name].times >= MOST_AT_ONCE
    }
    return bool(left) or any(name not in too_often for name in facts.unfinished)
