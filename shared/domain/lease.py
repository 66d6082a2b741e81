"""Why a worker may not start a run, and what becomes of the run then."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.run import Reason, RunStatus, TriggerType
from shared.domain.schedule import OverlapPolicy


@dataclass(frozen=True, slots=True)
class RefusedLease:
    """The facts about a run whose lease was not taken."""

    status: RunStatus
    is_stale: bool
    """The task was replaced by a newer one."""
    has_slices: bool
    """Slices of the run are committed: it is on its way, and waits rather than being skipped."""
    trigger_type: TriggerType
    overlap_policy: OverlapPolicy
    connector_is_usable: bool
    is_too_early: bool
    is_halted: bool
    """A pause holds, and the run is for what a source reported: it waits for the pause's end."""
    overlaps: bool
    another_waits: bool


class Wait(StrEnum):
    """Why a run goes back to wait in the table."""

    TOO_EARLY = "too_early"
    OVERLAP = "overlap"
    NO_ROOM = "no_room"


def decide_refused(facts: RefusedLease) -> Reason | Wait | None:
    """Return the reason to skip the run, why it waits, or None when it is not ours to move.

    None is the answer to a task that was delivered twice, was replaced, or comes after the run was
    cancelled.
    """
    if facts.status is not RunStatus.SCHEDULED or facts.is_stale:
        return None
    if not facts.connector_is_usable:
        return Reason.CONNECTOR_UNAVAILABLE
    if facts.is_halted:
        return Reason.PAUSED
    if facts.is_too_early:
        return Wait.TOO_EARLY
    if facts.overlaps:
        return _decide_overlap(facts)
    return Wait.NO_ROOM


def _decide_overlap(facts: RefusedLease) -> Reason | Wait:
    if facts.trigger_type.is_interactive or facts.has_slices:
        return Wait.OVERLAP
    match facts.overlap_policy:
        case OverlapPolicy.SKIP:
            return Reason.OVERLAP
        case OverlapPolicy.QUEUE_ONE:
            return Reason.OVERLAP if facts.another_waits else Wait.OVERLAP
