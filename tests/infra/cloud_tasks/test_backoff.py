from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud_tasks.backoff import RetryPolicy
from tests.infra.cloud_tasks.hand import NOW, after

SECOND = timedelta(seconds=1)


def policy(**changes: object) -> RetryPolicy:
    fields: dict[str, object] = {
        "max_attempts": 100,
        "max_retry_duration": timedelta(0),
        "min_backoff": 10 * SECOND,
        "max_backoff": 300 * SECOND,
        "max_doublings": 3,
    }
    return RetryPolicy(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_documented_example_doubles_then_grows_in_steps_then_stays() -> None:
    waits = [policy().backoff(retry) // SECOND for retry in range(1, 9)]
    assert waits == [10, 20, 40, 80, 160, 240, 300, 300]


def test_without_doublings_the_wait_grows_by_the_smallest_one() -> None:
    waits = [policy(max_doublings=0).backoff(retry) // SECOND for retry in range(1, 5)]
    assert waits == [10, 20, 30, 40]


def test_the_default_of_a_tenth_of_a_second_is_kept_exactly() -> None:
    wait = policy(min_backoff=timedelta(milliseconds=100), max_doublings=16).backoff(3)
    assert wait == timedelta(milliseconds=400)


@given(
    st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 2**31 - 1)
)
def test_no_wait_is_above_the_maximum_and_none_shrinks(
    retry: int, least: int, extra: int, doublings: int
) -> None:
    one = policy(
        min_backoff=timedelta(microseconds=least),
        max_backoff=timedelta(microseconds=least + extra),
        max_doublings=doublings,
    )
    assert one.min_backoff <= one.backoff(retry) <= one.backoff(retry + 1) <= one.max_backoff


@pytest.mark.parametrize(
    ("max_attempts", "max_seconds", "attempts", "seconds", "is_exhausted"),
    [
        (3, 0, 2, 10**5, False),
        (3, 0, 3, 0, True),
        (-1, 60, 1000, 59, False),
        (-1, 60, 1, 60, True),
        (3, 60, 3, 59, False),
        (3, 60, 2, 61, False),
        (3, 60, 3, 60, True),
        (-1, 0, 10**6, 10**6, False),
        (-1, 0, 1, 31 * 86_400, True),
    ],
)
def test_attempts_end_when_every_limit_that_is_set_is_reached(
    max_attempts: int, max_seconds: int, attempts: int, seconds: int, *, is_exhausted: bool
) -> None:
    one = policy(max_attempts=max_attempts, max_retry_duration=max_seconds * SECOND)
    assert one.is_exhausted(attempts, seconds * SECOND) is is_exhausted


def test_the_next_attempt_is_counted_from_the_failure() -> None:
    next_at = policy().next_attempt_at(attempts=2, first_attempt_at=NOW, now=after(60))
    assert next_at == after(80)


def test_after_the_last_attempt_there_is_no_next_one() -> None:
    last = policy(max_attempts=2)
    assert last.next_attempt_at(attempts=2, first_attempt_at=NOW, now=after(1)) is None
