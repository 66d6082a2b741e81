"""A run tells the changes of columns of all its slices, up to a bound, and counts the others."""

from collections.abc import Mapping, Sequence

from shared.domain.schema_changes import MOST_CHANGES, changes_together, told_changes


def _changes(first: int, last: int) -> Sequence[Mapping[str, str]]:
    return [{"column": str(number)} for number in range(first, last)]


def test_changes_of_later_slices_are_added_to_those_of_earlier_ones() -> None:
    together = changes_together(told_changes(_changes(0, 2), 0), told_changes(_changes(2, 3), 0))
    assert together == {"schema_changes": _changes(0, 3)}


def test_a_slice_without_changes_takes_none_away_and_adds_nothing() -> None:
    before = {"extract_ms": 5, **told_changes(_changes(0, 2), 1)}
    assert changes_together(before, {"extract_ms": 7}) == told_changes(_changes(0, 2), 1)
    assert changes_together({}, {}) == {}


def test_a_change_that_is_told_again_counts_once() -> None:
    told = told_changes(_changes(0, 2), 0)
    assert changes_together(told, told) == told


def test_what_goes_beyond_the_bound_is_counted() -> None:
    before = told_changes(_changes(0, MOST_CHANGES - 1), 0)
    together = changes_together(before, told_changes(_changes(500, 503), 4))
    assert len(together["schema_changes"]) == MOST_CHANGES  # pyright: ignore[reportArgumentType]
    assert together["schema_changes_left_out"] == 6
