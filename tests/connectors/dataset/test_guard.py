"""Which deletions of a full refresh wait for a second look."""

import pytest

from shared.connectors.dataset.guard import is_held, is_mass


@pytest.mark.parametrize(
    ("gone", "left"), [(1, 0), (5_000, 0), (501, 499), (900_000, 100_000), (998, 1), (20, 1)]
)
def test_all_rows_nearly_all_or_most_of_many_wait(gone: int, left: int) -> None:
    assert is_mass(gone, left)


@pytest.mark.parametrize(
    ("gone", "left"), [(0, 0), (0, 5), (1, 1), (19, 1), (949, 50), (500, 500), (499, 501)]
)
def test_a_part_of_few_rows_or_up_to_half_of_many_does_not(gone: int, left: int) -> None:
    assert not is_mass(gone, left)


@pytest.mark.parametrize(
    ("held_before", "is_done"), [(None, False), (90, False), (91, True), (100, True), (500, True)]
)
def test_a_second_look_has_to_find_about_as_much(held_before: int | None, is_done: bool) -> None:
    assert is_held(100, 0, held_before) is not is_done


def test_what_is_not_large_any_more_does_not_wait_whatever_was_held() -> None:
    assert not is_held(3, 97, 1)
