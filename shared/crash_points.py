"""Named places between two effects, where the fault suite ends or halts the process.

In production they are nothing: the bundles that `make package` builds have every
`reach(CrashPoint...)` line taken out. Here and in tests `reach` does nothing until it is armed.
"""

from collections.abc import Callable
from enum import StrEnum


class CrashPoint(StrEnum):
    """A place where everything before has been committed and nothing after has begun."""

    TICK_BEGUN = "tick_begun"
    RESCUED = "rescued"
    PAGE_PLANNED = "page_planned"
    PLANNED = "planned"
    ADMITTED = "admitted"
    TASKS_MADE = "tasks_made"
    ENQUEUED = "enqueued"
    TICK_DONE = "tick_done"
    TRIGGERED = "triggered"
    LEASED = "leased"
    SECRETS_OPENED = "secrets_opened"
    READ = "read"
    TURN_TAKEN = "turn_taken"
    STAGED = "staged"
    MERGED = "merged"
    LOADED = "loaded"
    SYNCED = "synced"
    RECORDED = "recorded"
    HANDED_OVER = "handed_over"
    STATE_USED = "state_used"
    CODE_EXCHANGED = "code_exchanged"
    TOKENS_RENEWED = "tokens_renewed"
    TOKENS_STORED = "tokens_stored"


_armed: Callable[[CrashPoint], None] | None = None


def arm(act: Callable[[CrashPoint], None] | None) -> None:
    """Let every crash point of this process call `act`; None disarms them."""
    global _armed  # noqa: PLW0603 (a switch of the process)
    _armed = act


def reach(point: CrashPoint) -> None:
    """Tell that the process has come to a crash point."""
    if _armed is not None:
        _armed(point)
