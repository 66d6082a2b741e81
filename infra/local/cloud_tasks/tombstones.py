"""The names of tasks that are gone but may not be used again yet."""

from collections import deque
from datetime import datetime, timedelta


class Tombstones:
    """Remembers names for a fixed window; asking and burying cost the same at any number."""

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._until: dict[str, datetime] = {}
        self._in_order: deque[tuple[datetime, str]] = deque()

    def bury(self, name: str, now: datetime) -> None:
        """Remember a name from now until the window has passed."""
        self._forget(now)
        until = now + self._window
        self._until[name] = until
        self._in_order.append((until, name))

    def holds(self, name: str, now: datetime) -> bool:
        """Return whether the name was buried within the window."""
        self._forget(now)
        until = self._until.get(name)
        return until is not None and now < until

    def __len__(self) -> int:
        return len(self._until)

    def _forget(self, now: datetime) -> None:
        while self._in_order and self._in_order[0][0] <= now:
            until, name = self._in_order.popleft()
            # The name may have been used and buried again since.
            if self._until.get(name) == until:
                del self._until[name]
