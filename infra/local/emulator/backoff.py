"""How long a retry waits: doubling, then linear, then the maximum."""

from dataclasses import dataclass
from datetime import timedelta

_MICROSECOND = timedelta(microseconds=1)
_DOUBLINGS_BEYOND_ANY_CAP = 62


@dataclass(frozen=True, slots=True)
class Backoff:
    """The waits between attempts; no duration is negative."""

    shortest: timedelta
    longest: timedelta
    max_doublings: int

    def before(self, retry: int) -> timedelta:
        """Return the wait before retry number `retry`, counted from 1.

        It doubles `max_doublings` times, then grows by the last doubled step, up to the longest.
        """
        doublings = min(retry - 1, self.max_doublings, _DOUBLINGS_BEYOND_ANY_CAP)
        steps = retry - doublings
        microseconds = (self.shortest // _MICROSECOND) * 2**doublings * steps
        return min(microseconds, self.longest // _MICROSECOND) * _MICROSECOND
