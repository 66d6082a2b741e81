"""Whether and when a failed execution is tried again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.local.emulator.backoff import Backoff

NO_LIMIT = timedelta(0)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry settings of a job, with every default filled in."""

    retry_count: int
    max_retry_duration: timedelta
    """Measured from the first attempt. Zero sets no limit of time: the count alone decides."""
    backoff: Backoff

    def retry_at(
        self, *, attempts: int, first_attempt_at: datetime, now: datetime
    ) -> datetime | None:
        """Return when to try again after `attempts` failures, or None to give up.

        With both limits set the job is retried until both are reached.
        """
        at = now + self.backoff.before(attempts)
        within_count = attempts <= self.retry_count
        within_time = (
            self.max_retry_duration > NO_LIMIT and at <= first_attempt_at + self.max_retry_duration
        )
        return at if within_count or within_time else None
