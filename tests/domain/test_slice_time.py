from datetime import timedelta

import pytest

from shared.domain.slice_time import FIRST_SHARE, MOST, reading_time

WHOLE = timedelta(minutes=20)


def share(attempt: int = 1, **facts: object) -> float:
    return reading_time(WHOLE, attempt, facts) / WHOLE


def test_the_first_slice_reads_for_a_small_part_of_its_time() -> None:
    assert share() == pytest.approx(FIRST_SHARE)


@pytest.mark.parametrize("load_times", [0.5, 1, 3.4, 20])
def test_what_later_slices_read_can_be_loaded_in_the_rest_of_their_time(load_times: float) -> None:
    read = share(extract_ms=100_000, load_ms=int(100_000 * load_times))
    assert read * (1 + load_times) < 1
    assert read <= MOST


def test_a_slice_that_failed_is_tried_with_half_of_the_time() -> None:
    assert share(attempt=3) == pytest.approx(FIRST_SHARE / 4)


@pytest.mark.parametrize("facts", [{"extract_ms": 0, "load_ms": 9}, {"extract_ms": "x"}, {"a": 1}])
def test_facts_that_say_nothing_are_none(facts: dict) -> None:
    assert share(**facts) == pytest.approx(FIRST_SHARE)
