"""Progress counts rows and keeps the greatest cursor value that was read."""

from decimal import Decimal

import pytest

from shared.connectors.progress import StreamProgress
from shared.connectors.watermarks import decode


def test_the_watermark_is_the_greatest_value_of_all_pages() -> None:
    progress = StreamProgress("orders", "changed")
    progress.observe([{"changed": 3}, {"changed": 9}])
    progress.observe([{"changed": 5}])
    watermark = progress.watermark()
    assert watermark is not None
    assert decode(watermark) == 9
    assert progress.records == 3


def test_rows_without_a_cursor_value_are_counted_and_move_nothing() -> None:
    progress = StreamProgress("orders", "changed")
    progress.observe([{"changed": None}, {"changed": None}])
    assert (progress.records, progress.without_cursor, progress.watermark()) == (2, 2, None)


@pytest.mark.parametrize("nothing", [float("nan"), Decimal("NaN")])
def test_a_value_that_has_no_order_counts_as_none(nothing: float | Decimal) -> None:
    progress = StreamProgress("orders", "changed")
    progress.observe([{"changed": nothing}, {"changed": Decimal(2)}, {"changed": nothing}])
    watermark = progress.watermark()
    assert watermark is not None
    assert (decode(watermark), progress.without_cursor) == (2, 2)


def test_a_stream_without_a_cursor_has_no_watermark() -> None:
    progress = StreamProgress("orders", None)
    progress.observe([{"id": 1}])
    assert (progress.records, progress.watermark()) == (1, None)
