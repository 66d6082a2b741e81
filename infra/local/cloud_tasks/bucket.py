"""The token bucket that limits the dispatch rate of a queue."""

from datetime import datetime, timedelta


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` of them a second; starts full."""

    def __init__(self, rate: float, burst: int, now: datetime) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = self._burst
        self._filled_at = now

    def change(self, rate: float, burst: int, now: datetime) -> None:
        """Go on with another rate and size; tokens that no longer fit are lost."""
        self._fill(now)
        self._rate = rate
        self._burst = float(burst)
        self._tokens = min(self._tokens, self._burst)

    def take(self, now: datetime) -> bool:
        """Take one token; return whether there was one."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def ready_at(self, now: datetime) -> datetime:
        """Return the earliest instant, not before `now`, at which a token can be taken."""
        self._fill(now)
        if self._tokens >= 1.0:
            return now
        wait = timedelta(seconds=(1.0 - self._tokens) / self._rate)
        # A wait is cut to whole microseconds; the next one is certain to have the token.
        return now + wait + timedelta(microseconds=1)

    def _fill(self, now: datetime) -> None:
        # A clock that was set back must not cost a queue its tokens.
        elapsed = max((now - self._filled_at).total_seconds(), 0.0)
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._filled_at = now
