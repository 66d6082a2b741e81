"""Cursor values are read, compared and sent as their format says."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.base import Watermark
from shared.connectors.json_http.cursor import Cursor, Window, field_of
from shared.connectors.json_http.cursor_config import CursorConfig
from shared.connectors.watermarks import encode, write_value
from shared.errors import PermanentError

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def cursor(**settings: Any) -> Cursor:
    config = {"field": "changed", "parameter": "since", **settings}
    return Cursor("orders", CursorConfig.model_validate(config))


@pytest.mark.parametrize(
    ("format_", "written", "sent"),
    [
        ("iso8601", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("iso8601", "2024-02-29T12:00:00.5+02:00", "2024-02-29T10:00:00.500000Z"),
        ("iso8601", "2024-02-29T12:00:00", "2024-02-29T12:00:00"),
        ("iso8601", "2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123456Z"),
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "2024-02-29T23:00:00Z", "2024-02-29"),
        ("unix_seconds", 1_700_000_000, "1700000000"),
        ("unix_seconds", Decimal("1700000000.75"), "1700000000"),
        ("unix_ms", "1700000000123", "1700000000123"),
        ("as_is", 42, "42"),
        ("as_is", Decimal("1.50"), "1.50"),
        ("as_is", "v0042", "v0042"),
    ],
)
def test_the_next_sync_asks_from_the_newest_value_on(
    format_: str, written: object, sent: str
) -> None:
    one = cursor(format=format_)
    value = one.value_of({"changed": written})
    assert value is not None
    watermark = encode("orders", "changed", value)
    newest = one.newest_of(watermark)
    assert newest == value
    assert one.parameters(one.window(newest, NOW)) == {"since": sent}


@pytest.mark.parametrize(
    ("format_", "written", "sent"),
    [
        ("iso8601", "2024-03-01T00:01:00Z", "2024-02-29T23:56:00Z"),
        ("iso8601", "0001-01-01T00:00:00", "0001-01-01T00:00:00"),
        ("date", "2024-03-01", "2024-02-29"),
        ("unix_seconds", 1_700_000_000, "1699999700"),
        ("unix_ms", 1_700_000_000_000, "1699999700000"),
    ],
)
def test_a_look_back_asks_from_so_much_earlier(format_: str, written: object, sent: str) -> None:
    one = cursor(format=format_, look_back_seconds=300)
    assert one.window(one.value_of({"changed": written}), NOW).start == sent


@pytest.mark.parametrize(
    ("format_", "end"),
    [
        ("iso8601", "2030-01-02T03:04:05Z"),
        ("date", "2030-01-02"),
        ("unix_seconds", "1893553445"),
        ("unix_ms", "1893553445000"),
    ],
)
def test_an_end_is_the_time_at_which_the_sync_starts(format_: str, end: str) -> None:
    one = cursor(format=format_, end_parameter="before")
    assert one.parameters(one.window(None, NOW)) == {"before": end}


@pytest.mark.parametrize(
    ("format_", "old", "new", "settled"),
    [
        ("iso8601", "2030-01-02T02:00:00Z", "2030-01-02T03:04:06Z", "2030-01-02T02:59:05+00:00"),
        ("iso8601", "2030-01-01T14:00:00", "2030-01-02T02:00:00", "2030-01-01T14:59:05"),
        ("date", "2030-01-01", "2030-01-02", "2030-01-01"),
        ("unix_seconds", 1_893_553_000, 1_893_553_446, "1893553145"),
        ("unix_ms", 1_893_553_000_000, 1_893_553_446_000, "1893553145000"),
    ],
)
def test_a_watermark_is_not_newer_than_the_beginning_of_the_reading(
    format_: str, old: object, new: object, settled: str
) -> None:
    one = cursor(format=format_)
    window = one.window(None, NOW)
    before, after = (one.value_of({"changed": value}) for value in (old, new))
    assert before is not None
    assert after is not None
    assert one.settled(before, window) == before
    assert write_value(one.settled(after, window))["value"] == settled


def test_only_times_can_be_told_to_be_too_new() -> None:
    one = cursor(format="as_is")
    assert one.settled("v9", one.window(None, NOW)) == "v9"
    assert one.settled(2**62, one.window(None, NOW)) == 2**62


def test_a_first_sync_sends_what_the_settings_say() -> None:
    window = cursor(initial="2020-01-01").window(None, NOW)
    assert window == Window("2020-01-01", None, NOW.isoformat())
    assert cursor().parameters(cursor().window(None, NOW)) == {}


@pytest.mark.parametrize(
    ("format_", "value"),
    [
        ("iso8601", 7),
        ("iso8601", "yesterday"),
        ("iso8601", True),
        ("date", "2024-13-01"),
        ("unix_seconds", "soon"),
        ("unix_seconds", True),
        ("unix_ms", Decimal("1e400")),
        ("as_is", {"a": 1}),
        ("as_is", False),
    ],
)
def test_a_value_of_another_format_is_a_sentence(format_: str, value: object) -> None:
    with pytest.raises(PermanentError, match=f"has no {format_} in changed") as failed:
        cursor(format=format_).value_of({"changed": value})
    assert failed.value.fault == "schema"


@pytest.mark.parametrize("record", [{}, {"changed": None}, {"changed": ""}, {"other": 1}])
def test_a_record_may_have_no_value(record: dict[str, Any]) -> None:
    assert cursor().value_of(record) is None


def test_dots_lead_into_objects() -> None:
    record = {"meta": {"at": 1}, "a.b": 2, "text": "x"}
    found = [field_of(record, name) for name in ("meta.at", "a.b", "meta.no", "text.at", "no.at")]
    assert found == [1, 2, None, None, None]


def test_a_watermark_that_a_person_set_is_understood() -> None:
    one = cursor()
    by_text = Watermark("orders", "changed", {"type": "str", "value": "2024-02-29T00:00:00Z"})
    by_day = encode("orders", "changed", date(2024, 2, 29))
    assert one.newest_of(by_text) == one.newest_of(by_day) == datetime(2024, 2, 29, tzinfo=UTC)
    assert one.newest_of(encode("orders", "other", 7)) is None
    with pytest.raises(PermanentError, match="reset it to sync from the start"):
        one.newest_of(encode("orders", "changed", 7))
