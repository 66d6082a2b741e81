"""What happens when: the simulated clock, and everything that waits for its instant."""

from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from itertools import count


class Agenda:
    """A clock that jumps from one thing that happens to the next."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._waiting: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, when: datetime, act: Callable[[], None]) -> None:
        """Let something happen at an instant, or as soon as possible if it has passed."""
        heappush(self._waiting, (max(when, self.now), next(self._number), act))

    def run_until(self, when: datetime) -> None:
        """Let everything up to an instant happen, in order, and move the clock there."""
        while self._waiting and self._waiting[0][0] <= when:
            self.now, _, act = heappop(self._waiting)
            act()
        self.now = when
