from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.retry import (
    BASE,
    CAP,
    SHORTEST,
    THROTTLE_PATIENCE,
    Retry,
    backoff,
    decide_retry,
)
from shared.domain.retry_after import LONGEST_RETRY_AFTER

NOT_LONG = timedelta(0)
RETRY_AFTERS = st.none() | st.timedeltas()


@given(identity=st.text(max_size=40), attempt=st.integers(1, 1_000))
def test_a_wait_is_within_its_step_and_repeats(identity: str, attempt: int) -> None:
    wait = backoff(identity, attempt)
    step = min(BASE * 2 ** min(attempt - 1, 20), CAP)
    assert SHORTEST <= wait <= step
    assert wait == backoff(identity, attempt)


def test_jitter_is_full_waits_fill_their_step() -> None:
    shares = [backoff(f"run {n}", 1) / BASE for n in range(500)]
    assert min(shares) < 0.1
    assert max(shares) > 0.9


def test_a_failure_waits_its_backoff_and_spends_its_attempt() -> None:
    assert decide_retry("run", 4, 5, None, NOT_LONG) == Retry(backoff("run", 4), True)
    assert decide_retry("run", 5, 5, None, NOT_LONG) is None


def test_a_retry_after_spends_no_attempt_also_on_the_last_one() -> None:
    asked = timedelta(minutes=31)
    for attempt in (1, 5):
        assert decide_retry("run", attempt, 5, asked, NOT_LONG) == Retry(asked, False, asked)


def test_a_retry_after_shorter_than_the_backoff_does_not_shorten_it() -> None:
    asked = timedelta(milliseconds=1)
    assert decide_retry("run", 3, 5, asked, NOT_LONG) == Retry(backoff("run", 3), False, asked)


def test_a_retry_after_counts_up_to_a_day() -> None:
    asked = timedelta(days=400)
    longest = LONGEST_RETRY_AFTER
    assert decide_retry("run", 1, 5, asked, NOT_LONG) == Retry(longest, False, longest)


def test_a_retry_after_of_zero_or_less_counts_as_none() -> None:
    for nothing in (timedelta(0), timedelta(seconds=-9), timedelta.min):
        for attempt in (1, 5):
            assert decide_retry("run", attempt, 5, nothing, NOT_LONG) == decide_retry(
                "run", attempt, 5, None, NOT_LONG
            )


def test_a_run_that_was_put_off_for_a_day_spends_attempts_again_and_still_waits_as_asked() -> None:
    asked = timedelta(hours=2)
    almost = THROTTLE_PATIENCE - timedelta(seconds=1)
    assert decide_retry("run", 5, 5, asked, almost) == Retry(asked, False, asked)
    assert decide_retry("run", 4, 5, asked, THROTTLE_PATIENCE) == Retry(asked, True, asked)
    assert decide_retry("run", 5, 5, asked, THROTTLE_PATIENCE) is None


def put_off(identity: str, asked: timedelta) -> list[timedelta]:
    """Return the waits of a run whose provider always asks for the same one."""
    waits: list[timedelta] = []
    attempt, elapsed = 1, timedelta(0)
    while retry := decide_retry(identity, attempt, 5, asked, elapsed):
        waits.append(retry.wait)
        elapsed += retry.wait
        attempt += retry.spends_attempt
    return waits


@given(identity=st.text(max_size=10), asked=st.timedeltas(timedelta.resolution, timedelta(days=2)))
def test_a_provider_that_always_asks_for_a_wait_is_asked_a_bounded_number_of_times(
    identity: str, asked: timedelta
) -> None:
    waits = put_off(identity, asked)
    assert 5 <= len(waits) <= 500
    assert sum(waits, timedelta(0)) <= THROTTLE_PATIENCE + 5 * LONGEST_RETRY_AFTER


def test_the_waits_of_a_run_that_is_put_off_again_and_again_grow() -> None:
    identity = min((f"run {n}" for n in range(100)), key=lambda name: backoff(name, 1))
    waits = put_off(identity, timedelta(seconds=1))[:-4]
    assert all(before <= after for before, after in pairwise(waits))
    assert waits[0] < timedelta(seconds=2)
    assert waits[-1] > timedelta(minutes=20)


@given(
    identity=st.text(max_size=40),
    attempt=st.integers(1, 1_000),
    max_attempts=st.integers(1, 1_000),
    retry_after=RETRY_AFTERS,
    throttled_for=st.timedeltas(timedelta(hours=-2), timedelta(days=40)),
)
def test_every_failure_has_a_bounded_wait_or_an_end(
    identity: str,
    attempt: int,
    max_attempts: int,
    retry_after: timedelta | None,
    throttled_for: timedelta,
) -> None:
    arguments = (identity, attempt, max_attempts, retry_after, throttled_for)
    retry = decide_retry(*arguments)
    assert retry == decide_retry(*arguments)
    if retry is None:
        assert attempt >= max_attempts
        return
    assert SHORTEST <= retry.wait <= LONGEST_RETRY_AFTER
    assert retry.wait >= min(retry_after or SHORTEST, LONGEST_RETRY_AFTER)
    assert not (retry.spends_attempt and attempt >= max_attempts)
