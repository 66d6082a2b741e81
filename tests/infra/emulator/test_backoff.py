from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from infra.local.emulator.backoff import Backoff

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def test_the_documented_example_doubles_then_grows_in_steps_then_stays() -> None:
    backoff = Backoff(10 * SECOND, 300 * SECOND, max_doublings=3)
    waits = [backoff.before(retry) // SECOND for retry in range(1, 9)]
    assert waits == [10, 20, 40, 80, 160, 240, 300, 300]


def test_without_doublings_the_wait_grows_by_the_shortest_one() -> None:
    backoff = Backoff(10 * SECOND, 300 * SECOND, max_doublings=0)
    assert [backoff.before(retry) // SECOND for retry in range(1, 5)] == [10, 20, 30, 40]


def test_a_tenth_of_a_second_is_kept_exactly() -> None:
    backoff = Backoff(SECOND / 10, 300 * SECOND, max_doublings=16)
    assert backoff.before(3) == timedelta(milliseconds=400)


def test_any_number_of_doublings_ends_at_the_longest() -> None:
    endless = Backoff(10 * SECOND, 300 * SECOND, max_doublings=2**31 - 1)
    assert endless.before(10_000) == 300 * SECOND


@given(
    st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 2**31 - 1)
)
def test_no_wait_is_above_the_longest_and_none_shrinks(
    retry: int, least: int, extra: int, doublings: int
) -> None:
    one = Backoff(least * MICROSECOND, (least + extra) * MICROSECOND, doublings)
    assert one.shortest <= one.before(retry) <= one.before(retry + 1) <= one.longest
