"""When a failed attempt is followed by another, and how much later."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from infra.local.cloud_tasks.messages import RetryConfigMessage
from infra.local.emulator.backoff import Backoff
from infra.local.emulator.messages import duration

RETENTION = timedelta(days=31)
"""How long the service keeps a task at all."""
UNLIMITED = -1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A complete retry configuration; `max_attempts` may be -1, no duration is negative."""

    max_attempts: int
    max_retry_duration: timedelta
    """Measured from the first attempt; zero for no limit."""
    backoff: Backoff

    @classmethod
    def of(cls, config: RetryConfigMessage) -> Self:
        """Return the policy of a configuration whose fields are all set."""
        return cls(
            max_attempts=config.max_attempts,
            max_retry_duration=duration(config.max_retry_duration),
            backoff=Backoff(
                shortest=duration(config.min_backoff),
                longest=duration(config.max_backoff),
                max_doublings=config.max_doublings,
            ),
        )

    def is_exhausted(self, attempts: int, since_first_attempt: timedelta) -> bool:
        """Return whether no attempt may follow: every limit that is set must be reached."""
        if since_first_attempt >= RETENTION:
            return True
        limits: list[bool] = []
        if self.max_attempts != UNLIMITED:
            limits.append(attempts >= self.max_attempts)
        if self.max_retry_duration:
            limits.append(since_first_attempt >= self.max_retry_duration)
        return bool(limits) and all(limits)

    def next_attempt_at(
        self, *, attempts: int, first_attempt_at: datetime, now: datetime
    ) -> datetime | None:
        """Return when the attempt after a failure at `now` is due, or None if there is none."""
        if self.is_exhausted(attempts, now - first_attempt_at):
            return None
        return now + self.backoff.before(attempts)
