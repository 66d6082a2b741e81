from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud_tasks.bucket import TokenBucket
from tests.infra.cloud_tasks.hand import NOW, after


def drain(bucket: TokenBucket, now: datetime) -> int:
    taken = 0
    while bucket.take(now):
        taken += 1
    return taken


def test_a_new_bucket_gives_its_burst_and_no_more() -> None:
    assert drain(TokenBucket(5, 10, NOW), NOW) == 10


def test_tokens_come_back_at_the_rate() -> None:
    bucket = TokenBucket(5, 10, NOW)
    drain(bucket, NOW)
    assert drain(bucket, after(1)) == 5


def test_idle_time_never_gives_more_than_the_burst() -> None:
    assert drain(TokenBucket(5, 10, NOW), after(3600)) == 10


def test_a_clock_set_back_neither_gives_nor_costs_tokens() -> None:
    bucket = TokenBucket(5, 10, NOW)
    drain(bucket, NOW)
    assert drain(bucket, after(-60)) == 0
    assert drain(bucket, after(-59)) == 5


def test_a_smaller_bucket_loses_what_no_longer_fits() -> None:
    bucket = TokenBucket(500, 100, NOW)
    bucket.change(1, 10, NOW)
    assert drain(bucket, NOW) == 10


@given(st.floats(0.001, 500), st.integers(1, 100), st.integers(0, 10**6))
def test_a_token_is_there_when_it_was_announced(rate: float, burst: int, later: int) -> None:
    bucket = TokenBucket(rate, burst, NOW)
    now = NOW + timedelta(microseconds=later)
    drain(bucket, now)
    ready_at = bucket.ready_at(now)
    assert ready_at > now
    assert bucket.take(ready_at)
