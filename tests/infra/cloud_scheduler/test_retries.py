"""Retry policies."""

from datetime import timedelta

from infra.local.cloud_scheduler.retries import RetryPolicy
from tests.infra.cloud_scheduler.jobs import START, policy


def retries_of(retry: RetryPolicy, limit: int = 50) -> int:
    """Return how often a job is retried whose attempts fail at once, up to a limit."""
    now = START
    for attempts in range(1, limit + 1):
        at = retry.retry_at(attempts=attempts, first_attempt_at=START, now=now)
        if at is None:
            return attempts - 1
        now = at
    return limit


def test_without_settings_a_failure_is_not_retried() -> None:
    assert retries_of(policy()) == 0


def test_a_count_alone_is_the_number_of_retries() -> None:
    assert retries_of(policy(retry_count=3)) == 3


def test_a_duration_alone_allows_retries_until_it_ends() -> None:
    # Retries at 10, 30, 70 and 150 s.
    assert retries_of(policy(max_retry_duration=timedelta(seconds=150))) == 4
    assert retries_of(policy(max_retry_duration=timedelta(seconds=149))) == 3


def test_with_both_limits_a_job_is_retried_until_both_are_reached() -> None:
    assert retries_of(policy(retry_count=1, max_retry_duration=timedelta(seconds=70))) == 3
    assert retries_of(policy(retry_count=5, max_retry_duration=timedelta(seconds=70))) == 5
