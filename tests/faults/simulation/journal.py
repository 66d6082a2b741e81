"""What happened in a simulated world: counted by kind, its newest lines kept for a failure."""

from collections import Counter, deque
from datetime import datetime

_KEPT = 120


class ViolationError(AssertionError):
    """A rule that the simulated world broke."""


class Journal:
    """The operations of one world in their order."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._tail: deque[tuple[datetime, str, tuple[object, ...]]] = deque(maxlen=_KEPT)

    def note(self, now: datetime, what: str, *facts: object) -> None:
        """Count an operation and keep it as one of the newest."""
        self.counts[what] += 1
        self._tail.append((now, what, facts))

    def tail(self) -> str:
        """Return the newest operations, one a line, the last one last."""
        return "\n".join(
            f"  {now:%Y-%m-%d %H:%M:%S} {what} {' '.join(map(str, facts))}".rstrip()
            for now, what, facts in self._tail
        )
