"""A slice ends when its time is over, but never before it got on."""

import pytest

from shared.connectors.base import always_has_time
from shared.connectors.slices import SliceTime
from shared.errors import LeaseLostError


def test_a_slice_that_got_nowhere_has_time_and_does_not_ask() -> None:
    def has_time() -> bool:
        raise AssertionError("asked too early")

    assert SliceTime(has_time).goes_on()


def test_a_slice_that_got_on_goes_on_while_there_is_time() -> None:
    slice_time = SliceTime(always_has_time)
    slice_time.got_on()
    assert slice_time.goes_on()


def test_a_no_is_final() -> None:
    answers = iter([True, False, True])
    slice_time = SliceTime(lambda: next(answers))
    slice_time.got_on()
    assert [slice_time.goes_on() for _question in range(3)] == [True, False, False]


def test_a_lost_lease_is_told_even_when_the_time_is_over() -> None:
    answers = iter([False])

    def has_time() -> bool:
        for answer in answers:
            return answer
        raise LeaseLostError("Another worker holds the run.")

    slice_time = SliceTime(has_time)
    slice_time.got_on()
    assert not slice_time.goes_on()
    with pytest.raises(LeaseLostError):
        slice_time.goes_on()
