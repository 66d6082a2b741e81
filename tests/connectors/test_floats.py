"""Floating numbers that JSON has no sign for go through dlt's files as text."""

from math import inf, nan
from typing import Any

import pytest

from tests.connectors.databases import Postgres
from tests.connectors.records import Records


def _pages(*pages: list[dict[str, Any]], hinted: tuple[str, ...] = ()) -> list[Any]:
    from shared.connectors.floats import with_all_floats  # noqa: PLC0415 (dlt is slow to import)

    columns: Any = {name: {"data_type": "double"} for name in hinted}
    return list(with_all_floats(pages, columns, lambda hints: hints))


def test_a_page_of_finite_numbers_stays_the_page_that_it_is() -> None:
    page = [{"id": 1, "v": 1e308}, {"id": 2, "v": None}]
    assert _pages(page)[0] is page


def test_a_column_is_marked_once_and_the_records_of_the_source_are_left_alone() -> None:
    pages = [[{"v": nan}], [{"v": -inf}]]
    first, second = _pages(*pages)
    assert list(first.meta.hints["columns"]) == ["v"]
    assert (first.data, second) == ([{"v": "NaN"}], [{"v": "-Infinity"}])
    assert pages[1] == [{"v": -inf}]


@pytest.mark.parametrize("hinted", [(), ("v",)])
def test_a_column_with_a_hint_or_another_first_value_is_not_marked(hinted: tuple[str, ...]) -> None:
    first = 1.5 if hinted else 7
    assert _pages([{"v": first}, {"v": inf}], hinted=hinted) == [[{"v": first}, {"v": "Infinity"}]]


def test_a_number_among_texts_or_truths_is_a_text(dataset: Postgres) -> None:
    records = Records(dataset)
    records.load({"id": 1, "note": "one", "is_on": True}, {"id": 2, "note": inf, "is_on": nan})
    columns = "id, note, is_on, is_on__v_text"
    assert records.rows(columns) == [(1, "one", True, None), (2, "Infinity", None, "NaN")]
