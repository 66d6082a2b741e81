"""A gate: so many at once and no more, and of one workspace fewer."""

import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from shared.errors import BusyError


class Gate:
    """Lets a bounded number of callers of this instance through, and refuses the others at once.

    Whoever waits in a line holds a request open, and it is requests that there are too few of.
    """

    def __init__(self, *, at_once: int, of_one: int, what: str, pause: timedelta) -> None:
        self._at_once = at_once
        self._of_one = of_one
        self._what = what
        self._pause = pause
        self._lock = threading.Lock()
        self._inside: Counter[int] = Counter()

    @contextmanager
    def passed(self, workspace_id: int) -> Generator[None]:
        """Be inside for the length of the block; raise `BusyError` if there is no room."""
        with self._lock:
            is_full = self._inside.total() >= self._at_once
            if is_full or self._inside[workspace_id] >= self._of_one:
                whose = "" if is_full else " of this workspace"
                raise BusyError(
                    f"As many {self._what}{whose} are under way as may be at once: try again in"
                    f" {self._pause.total_seconds():.0f} seconds.",
                    retry_after=self._pause,
                )
            self._inside[workspace_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[workspace_id] -= 1
                self._inside += Counter()  # forgets those that are at zero
