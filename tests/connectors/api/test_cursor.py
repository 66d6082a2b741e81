"""Cursor values are read, compared and sent as their format says."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.api.cursor import Cursor, Window, field_of
from shared.connectors.api.stream_config import CursorConfig
from shared.connectors.base import Watermark
from shared.connectors.watermarks import encode
from shared.errors import PermanentError
from tests.connectors.api.readings import Reader, api, ids, stream
from tests.connectors.api.server import RestServer

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


def test_a_first_sync_sends_what_the_settings_say() -> None:
    assert cursor(initial="2020-01-01").window(None, NOW) == Window("2020-01-01", None)
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


def test_times_with_and_without_a_zone_cannot_be_compared(server: RestServer) -> None:
    server.records = [
        {"id": 1, "changed": "2024-01-01T00:00:00Z"},
        {"id": 2, "changed": "2024-01-01T00:00:00"},
    ]
    config = api(server, stream(cursor={"field": "changed", "parameter": "since"}))
    with pytest.raises(PermanentError, match="cannot be compared"):
        Reader(config).read_whole()


def test_a_record_with_a_value_that_cannot_be_read_is_read_all_the_same(
    server: RestServer,
) -> None:
    server.records = [{"id": 1, "changed": "n/a"}, {"id": 2, "changed": "2024-01-01T00:00:00Z"}]
    reader = Reader(api(server, stream(cursor={"field": "changed", "parameter": "since"})))
    assert ids(reader.read_whole()) == [1, 2]
    assert reader.watermark is not None


def test_every_slice_of_a_run_asks_for_the_same_window(server: RestServer) -> None:
    server.records = [{"id": n, "changed": f"2024-01-0{n}T00:00:00Z"} for n in range(1, 9)]
    settings = {"field": "changed", "parameter": "since", "end_parameter": "before"}
    reader = Reader(api(server, stream("/pages", cursor={**settings, "look_back_seconds": 60})))
    reader.watermark = encode("orders", "changed", datetime(2024, 1, 2, tzinfo=UTC))
    reader.read()
    reader.now = NOW
    reader.read_run()
    assert set(server.queries("since")) == {"2024-01-01T23:59:00Z"}
    assert set(server.queries("before")) == {"2030-01-01T00:00:00Z"}


def test_a_watermark_never_goes_back_when_the_newest_record_is_deleted(
    server: RestServer,
) -> None:
    server.records = [{"id": 1, "changed": "2024-01-01T00:00:00Z"}]
    settings = {"field": "changed", "parameter": "from", "look_back_seconds": 86_400}
    reader = Reader(api(server, stream(cursor=settings)))
    reader.watermark = encode("orders", "changed", datetime(2024, 1, 2, tzinfo=UTC))
    reader.read_whole()
    assert reader.watermark.value["value"] == "2024-01-02T00:00:00+00:00"
