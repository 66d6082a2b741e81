"""Which deletions of a full refresh wait for a second look."""

import pytest

from shared.connectors.dataset.guard import is_mass


@pytest.mark.parametrize(("gone", "left"), [(1, 0), (5_000, 0), (501, 499), (900_000, 100_000)])
def test_all_rows_or_most_of_many_wait(gone: int, left: int) -> None:
    assert is_mass(gone, left)


@pytest.mark.parametrize(("gone", "left"), [(0, 0), (0, 5), (998, 1), (500, 500), (499, 501)])
def test_a_part_of_few_rows_or_up_to_half_of_many_does_not(gone: int, left: int) -> None:
    assert not is_mass(gone, left)
