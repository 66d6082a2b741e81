"""Progress counts rows, keeps the newest cursor value, and knows whether there is more."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.base import always_has_time
from shared.connectors.progress import StreamProgress
from shared.connectors.slices import SliceTime, StreamTime
from shared.connectors.watermarks import decode
from shared.errors import PermanentError


def _progress(*pages: list[Any], cursor: str | None = "changed", ordered: bool) -> StreamProgress:
    progress = StreamProgress(
        "orders", cursor, StreamTime(SliceTime(always_has_time)), ordered=ordered
    )
    for values in pages:
        progress.observe([{"changed": value} for value in values])
    return progress


def _mark(progress: StreamProgress) -> object:
    watermark = progress.watermark()
    return None if watermark is None else decode(watermark)


def test_without_an_order_the_watermark_is_the_greatest_value_of_all_pages() -> None:
    progress = _progress([3, 9], [5], ordered=False)
    assert (_mark(progress), progress.records) == (9, 3)


def test_in_an_order_the_watermark_is_the_last_value_as_the_source_sorts() -> None:
    assert _mark(_progress(["a", "B"], ["c", "D"], ordered=True)) == "D"
    assert _mark(_progress(["a", "B"], ["c", "D"], ordered=False)) == "c"


@pytest.mark.parametrize("ordered", [True, False])
def test_rows_without_a_cursor_value_are_counted_and_move_nothing(ordered: bool) -> None:
    progress = _progress([None, None], ordered=ordered)
    assert (progress.records, progress.without_cursor, _mark(progress)) == (2, 2, None)
    progress.observe([{"changed": 4}])
    progress.observe([{"changed": None}])
    assert (progress.without_cursor, _mark(progress)) == (3, 4)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("nothing", [float("nan"), Decimal("NaN")])
def test_a_value_that_has_no_order_counts_as_none(nothing: float | Decimal, ordered: bool) -> None:
    progress = _progress([nothing, Decimal(2), nothing], ordered=ordered)
    assert (_mark(progress), progress.without_cursor) == (2, 2)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    ("infinity", "plain"),
    [
        (float("inf"), 2.5),
        (Decimal("Infinity"), Decimal(2)),
        (date.max, date(2024, 2, 29)),
        (datetime.max.replace(tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_watermark_never_comes_to_infinity_from_where_nothing_new_is_seen(
    infinity: Any, plain: Any, ordered: bool
) -> None:
    assert _mark(_progress([plain, infinity], [infinity], ordered=ordered)) == plain


def test_a_stream_without_a_cursor_has_no_watermark() -> None:
    progress = _progress([1], cursor=None, ordered=True)
    assert (progress.records, _mark(progress)) == (1, None)


@pytest.mark.parametrize("pages", [([2, 1],), ([1, 2], [1]), ([2], [None], [1])])
def test_a_source_that_breaks_its_promised_order_is_a_permanent_error(
    pages: tuple[list[Any], ...],
) -> None:
    with pytest.raises(PermanentError, match="smaller changed after a greater one") as failed:
        _progress(*pages, ordered=True)
    assert failed.value.code == "cursor_backwards"
    assert _progress(*pages, ordered=False).records == sum(map(len, pages))


def test_equal_values_and_values_of_several_number_types_are_in_order() -> None:
    progress = _progress([1, 1, Decimal("1.5")], [1.5, 2], ordered=True)
    assert _mark(progress) == 2


def test_the_order_of_text_is_not_judged() -> None:
    assert _mark(_progress(["b", "A"], ["a"], ordered=True)) == "a"


def test_a_stream_has_more_only_after_it_was_stopped() -> None:
    progress = _progress([1], ordered=True)
    assert (progress.has_more, progress.position) == (False, None)
    progress.stop({"page": 1})
    assert (progress.has_more, progress.position) == (True, {"page": 1})


def test_a_stream_that_is_finished_lets_the_slice_end() -> None:
    progress = StreamProgress("orders", None, StreamTime(SliceTime(lambda: False)), ordered=True)
    assert progress.goes_on()
    progress.finish({"finished": True})
    assert (progress.goes_on(), progress.has_more) == (False, False)
    assert progress.position == {"finished": True}


def test_without_an_order_there_is_no_watermark_before_the_end() -> None:
    progress = _progress([3, 9], ordered=False)
    progress.stop({"page": 2})
    assert (_mark(progress), progress.newest) == (None, 9)


def test_without_an_order_the_newest_value_of_earlier_slices_counts() -> None:
    time = StreamTime(SliceTime(always_has_time))
    progress = StreamProgress("orders", "changed", time, ordered=False, newest=9)
    progress.observe([{"changed": 5}])
    progress.finish({"finished": True})
    assert _mark(progress) == 9


def test_in_an_order_a_slice_that_stops_moves_the_watermark() -> None:
    progress = _progress([3, 9], ordered=True)
    progress.stop({"page": 2})
    assert _mark(progress) == 9
