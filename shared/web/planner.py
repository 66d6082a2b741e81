"""What changes of schedules work with, from the application's wiring."""

from shared.flow.schedules import Planner
from shared.web.auth import wiring


def planner() -> Planner:
    """Return what plans and enqueues the runs of a changed schedule."""
    parts = wiring()
    return Planner(parts.engine, parts.open_queue, parts.settings.look_ahead)
