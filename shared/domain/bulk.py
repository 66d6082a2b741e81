"""Many schedules at once: what is done to each, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.errors import SynclineError

MAX_BULK = 500
"""How many schedules one call is about."""


class BulkAction(StrEnum):
    """What is done to each schedule."""

    PAUSE = "pause"
    RESUME = "resume"
    TRIGGER = "trigger"


class BulkResult(StrEnum):
    """What became of one schedule; with a dry run, what would.

    - DONE: the action changed it, or started a run of it.
    - UNCHANGED: it is as the action would have it: paused until then already, or not paused.
    - REFUSED: the error says why.
    - NOT_TRIED: the call ended before it came to this one, which is as it was.
    """

    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class BulkItem:
    """What became of one schedule."""

    schedule: UUID
    result: BulkResult
    run: UUID | None = None
    """The run that was started, or that is in the way of one."""
    error: SynclineError | None = None
    """What the same act on that schedule alone raises."""
