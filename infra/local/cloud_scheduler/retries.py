"""Whether and when a failed execution is tried again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

NO_LIMIT = timedelta(0)
_MICROSECOND = timedelta(microseconds=1)
_DOUBLINGS_BEYOND_ANY_CAP = 62


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry settings of a job, with every default filled in."""

    retry_count: int
    max_retry_duration: timedelta
    """Measured from the first attempt. Zero sets no limit of time: the count alone decides."""
    min_backoff: timedelta
    max_backoff: timedelta
    max_doublings: int

    def backoff(self, retry: int) -> timedelta:
        """Return the wait before a retry, counted from 1.

        It doubles `max_doublings` times, then grows by the last doubled step, up to the maximum.
        """
        doublings = min(retry - 1, self.max_doublings, _DOUBLINGS_BEYOND_ANY_CAP)
        steps = retry - doublings
        microseconds = (self.min_backoff // _MICROSECOND) * 2**doublings * steps
        return min(microseconds, self.max_backoff // _MICROSECOND) * _MICROSECOND

    def retry_at(
        self, *, attempts: int, first_attempt_at: datetime, now: datetime
    ) -> datetime | None:
        """Return when to try again after `attempts` failures, or None to give up.

        With both limits set the job is retried until both are reached.
        """
        at = now + self.backoff(attempts)
        within_count = attempts <= self.retry_count
        within_time = (
            self.max_retry_duration > NO_LIMIT and at <= first_attempt_at + self.max_retry_duration
        )
        return at if within_count or within_time else None
