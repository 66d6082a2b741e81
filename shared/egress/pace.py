"""No more requests a second than a provider allows, evenly spread."""

import threading

from shared.clock import monotonic

_SHARE = 0.95
"""Of the limit: two requests that left a tenth of a second apart may arrive in less."""


class Pace:
    """Gives out the instants at which requests may leave; every method is thread-safe."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / (per_second * _SHARE)
        self._lock = threading.Lock()
        self._next = 0.0

    def take(self) -> float:
        """Take the next free instant; return for how many seconds to wait until it."""
        with self._lock:
            now = monotonic()
            start = max(now, self._next)
            self._next = start + self._gap
        return start - now
