"""Records are held against the settings: what fits none of them is the fault of the settings."""

from typing import Any

import pytest

from shared.connectors.base import always_has_time
from shared.connectors.json_http.cursor import Cursor
from shared.connectors.json_http.cursor_config import CursorConfig
from shared.connectors.json_http.intake import check_key, cursor_misfit, cursor_values, observe
from shared.connectors.progress import StreamProgress
from shared.connectors.slices import SliceTime, StreamTime
from shared.errors import PermanentError

CURSOR = Cursor(
    "orders", CursorConfig.model_validate({"field": "meta.at", "parameter": "p", "format": "date"})
)


def progress(cursor: str | None) -> StreamProgress:
    return StreamProgress("orders", cursor, StreamTime(SliceTime(always_has_time)), ordered=False)


def at(value: object) -> dict[str, Any]:
    return {"id": 1, "meta": {"at": value}}


def test_a_key_that_no_record_has_is_misnamed() -> None:
    check_key("orders", ["id"], [{"id": None}, {"id": 1}, None])  # type: ignore[list-item]
    check_key("orders", ["id"], [])
    with pytest.raises(PermanentError, match="The records of orders have no id: correct"):
        check_key("orders", ["id"], [{"id": None}, {"key": 1}])


def test_the_progress_learns_the_newest_value_of_a_cursor_in_an_object() -> None:
    one = progress("meta.at")
    observe(one, CURSOR, [at("2024-01-02"), at("2024-01-03"), at(None), at("soon")])
    assert str(one.newest) == "2024-01-03"
    assert (one.records, one.without_cursor) == (4, 2)


def test_without_a_cursor_records_are_counted() -> None:
    one = progress(None)
    observe(one, None, [at(1), at(2)])
    assert (one.records, one.newest) == (2, None)


def test_a_format_that_no_value_has_is_wrong() -> None:
    assert cursor_values(CURSOR, [at("soon"), at("2024-01-02")])[0] is None
    with pytest.raises(PermanentError, match=r"has no date in meta\.at"):
        cursor_values(CURSOR, [at("soon"), at(None)])


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([], None),
        ([at("2024-01-02")], None),
        ([at(None), {"id": 2}], "first page has meta.at: correct the cursor's field"),
        ([at("soon")], "has no date in meta.at"),
    ],
)
def test_a_first_page_shows_what_is_wrong_with_a_cursor(
    records: list[dict[str, Any]], problem: str | None
) -> None:
    found = cursor_misfit(CURSOR, records)
    assert (found is None) if problem is None else (problem in str(found))
    assert cursor_misfit(None, records) is None
