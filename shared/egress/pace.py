"""No more requests a second than a provider allows, evenly spread."""

import threading

from shared.clock import monotonic

_SHARE = 0.95
"""Of the limit: two requests that left a tenth of a second apart may arrive in less."""
_LATE_SECONDS = 0.02
"""By so much a request may be late without delaying the next. As many as are allowed in a second
then leave within 1 / `_SHARE` seconds, less this, which is more than one: a thread that wakes up
late loses no instant, and no second has a request too many."""


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
            self._next = max(self._next, now - _LATE_SECONDS) + self._gap
        return start - now
