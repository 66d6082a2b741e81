"""How long silence is borne before somebody acts on it."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """Of a dispatcher; a deployment uses the defaults."""

    confirmation: timedelta = timedelta(seconds=30)
    """After which a task that was ordered and never confirmed is ordered again, by its name."""
    task: timedelta = timedelta(minutes=5)
    """After which a task that does not come counts as lost; it doubles with each generation."""
    run: timedelta = timedelta(hours=2)
    """running_status_timeout_guard: nothing shows as running for longer without a live worker."""


USUAL = Patience()
