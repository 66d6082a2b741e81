"""A mark names a source column, whatever its name is and whatever stands around the mark."""

import pytest

from shared.connectors.dataset.marks import read_mark, write_mark


@pytest.mark.parametrize("source", ["amount", 'odd "name', "naïve %s", "}", "two\nlines"])
def test_a_mark_that_was_written_is_read_back(source: str) -> None:
    assert read_mark(write_mark(source)) == source


def test_a_person_may_add_to_the_comment() -> None:
    assert read_mark(f"Asked Alice. {write_mark('amount')} Until May.") == "amount"


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "Variant of amount",
        "syncline:variant ",
        "syncline:variant amount",
        'syncline:variant {"of": "amount"',
        "syncline:variant []",
        "syncline:variant {}",
        'syncline:variant {"of": null}',
        'syncline:variant {"of": 1}',
        "syncline:variant " + "9" * 5_000,
        "syncline:variant " + "[" * 100_000,
    ],
)
def test_any_other_comment_is_no_mark(comment: str | None) -> None:
    assert read_mark(comment) is None
