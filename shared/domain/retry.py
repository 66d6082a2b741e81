"""When a failed attempt is tried again: exponential backoff with full jitter from identity."""

from datetime import timedelta
from hashlib import sha256

BASE = timedelta(seconds=30)
CAP = timedelta(minutes=30)
SHORTEST = timedelta(seconds=1)
LONGEST_RETRY_AFTER = timedelta(hours=24)


def backoff(identity: str, attempt: int) -> timedelta:
    """Return the wait after attempt `attempt` (1 for the first): up to its whole step.

    The steps double from `BASE` to `CAP`. Chance is a hash of the run and the attempt, so that a
    repeat of the same decision gives the same instant.
    """
    step = min(BASE * 2 ** min(attempt - 1, 16), CAP)
    digest = int.from_bytes(sha256(f"{identity}:{attempt}".encode()).digest()[:8], "big")
    return max(step * (digest / 2**64), SHORTEST)


def wait_before_retry(
    identity: str, attempt: int, max_attempts: int, retry_after: timedelta | None
) -> timedelta | None:
    """Return how long to wait before the next attempt, or None when there is none left.

    A provider's `retry_after` counts when it is longer than the backoff, up to a day.
    """
    if attempt >= max_attempts:
        return None
    wait = backoff(identity, attempt)
    if retry_after is None:
        return wait
    return min(max(wait, retry_after), LONGEST_RETRY_AFTER)
