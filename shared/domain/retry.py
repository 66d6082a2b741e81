"""When a failed attempt is tried again: exponential backoff with full jitter from identity."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from shared.domain.retry_after import LONGEST_RETRY_AFTER

BASE = timedelta(seconds=30)
CAP = timedelta(minutes=30)
SHORTEST = timedelta(seconds=1)
THROTTLE_PATIENCE = timedelta(hours=24)
"""For how long a provider may put a run off without an attempt being spent."""

_FIFTIETH = 50


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt: how long it waits, and whether the one that failed counts as spent."""

    wait: timedelta
    spends_attempt: bool
    asked_for: timedelta | None = None
    """How long the provider wants to be left alone, by every run that would ask it."""


def identity_of(run: UUID, slices: int) -> str:
    """Return what the chance in a run's waits is drawn from: the run, and its finished slices."""
    return f"{run}:{slices}"


def backoff(identity: str, attempt: int) -> timedelta:
    """Return the wait after attempt `attempt` (1 for the first): up to its whole step.

    The steps double from `BASE` to `CAP`. Chance is a hash of the run and the attempt, so that a
    repeat of the same decision gives the same instant.
    """
    step = min(BASE * 2 ** min(attempt - 1, 16), CAP)
    digest = int.from_bytes(sha256(f"{identity}:{attempt}".encode()).digest()[:8], "big")
    return max(step * (digest / 2**64), SHORTEST)


def decide_retry(
    identity: str,
    attempt: int,
    max_attempts: int,
    retry_after: timedelta | None,
    throttled_for: timedelta,
) -> Retry | None:
    """Decide what follows the failure of attempt `attempt`; None when there is none left.

    A provider's `retry_after` counts when it is longer than the backoff, up to a day, and spends no
    attempt. Once `throttled_for` (how long ago the provider first put the run off) reaches
    `THROTTLE_PATIENCE`, it spends attempts as any other failure does, so that nothing waits for
    ever. One that is zero or negative counts as none.
    """
    wait = backoff(identity, attempt)
    asked_for = None
    if retry_after is not None and retry_after > timedelta(0):
        asked_for = min(retry_after, LONGEST_RETRY_AFTER)
        wait = max(wait, asked_for)
        if throttled_for < THROTTLE_PATIENCE:
            # The attempt stays the same, and its backoff with it: without a wait that grows, a
            # provider that always asks for a second would be asked tens of thousands of times.
            wait = max(wait, throttled_for / _FIFTIETH)
            return Retry(wait, spends_attempt=False, asked_for=asked_for)
    if attempt >= max_attempts:
        return None
    return Retry(wait, spends_attempt=True, asked_for=asked_for)
