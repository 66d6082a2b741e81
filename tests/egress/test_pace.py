"""A pace gives out instants that no provider counts as too many, and wastes few."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.egress import pace
from shared.egress.pace import Pace


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "monotonic", clock)
    return clock


def sent(clock: Clock, one: Pace, lateness: list[float]) -> list[float]:
    """Return when requests leave, each late by so much."""
    times: list[float] = []
    for late in lateness:
        clock.now += one.take() + late
        times.append(clock.now)
    return times


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= time < start + 1 for time in times) for start in times)


def test_the_first_request_leaves_at_once(clock: Clock) -> None:
    assert Pace(10).take() == 0


def test_requests_that_are_taken_at_once_are_spread_evenly(clock: Clock) -> None:
    one = Pace(10)
    waits = [one.take() for _ in range(20)]
    gaps = [later - before for before, later in pairwise(waits)]
    assert gaps[1:] == pytest.approx([1 / 9.5] * 18)


@pytest.mark.parametrize("per_second", [0.5, 1, 10, 100])
def test_nearly_all_that_is_allowed_is_used(clock: Clock, per_second: float) -> None:
    times = sent(clock, Pace(per_second), [0.002] * 500)
    assert (len(times) - 1) / (times[-1] - times[0]) >= 0.94 * per_second


@given(lateness=st.lists(st.floats(0, 3, width=32), min_size=1, max_size=60))
def test_no_second_has_a_request_too_many_however_late_some_leave(lateness: list[float]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "monotonic", clock)
        assert most_in_a_second(sent(clock, Pace(10), lateness)) <= 10
