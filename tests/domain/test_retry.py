from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.retry import (
    BASE,
    CAP,
    LONGEST_RETRY_AFTER,
    SHORTEST,
    backoff,
    wait_before_retry,
)


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


def test_after_the_last_attempt_there_is_no_wait() -> None:
    assert wait_before_retry("run", 5, 5, None) is None
    assert wait_before_retry("run", 4, 5, None) is not None


def test_a_longer_retry_after_counts_up_to_a_day() -> None:
    assert wait_before_retry("run", 1, 5, timedelta(minutes=10)) == timedelta(minutes=10)
    assert wait_before_retry("run", 1, 5, timedelta(days=400)) == LONGEST_RETRY_AFTER
    assert wait_before_retry("run", 1, 5, timedelta(seconds=-9)) == backoff("run", 1)
