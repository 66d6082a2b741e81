"""The cursor of an API's stream moves with what was read, and never back."""

from datetime import UTC, datetime

import pytest

from shared.connectors.watermarks import encode
from shared.errors import PermanentError
from tests.connectors.api.readings import Reader, api, ids, stream
from tests.connectors.api.server import RestServer

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


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


def test_a_record_that_changes_after_it_was_read_is_not_hidden_by_a_newer_one(
    server: RestServer,
) -> None:
    early = {"id": 1, "changed": "2029-12-31T00:00:00Z"}
    server.records = [early, {"id": 2, "changed": "2030-01-01T00:02:00Z"}]
    settings = {"field": "changed", "parameter": "since"}
    reader = Reader(api(server, stream("/pages", cursor=settings)))
    assert ids(reader.read_whole()) == [1, 2]
    # It changed a minute after the reading began, behind the page that had it.
    early["changed"] = "2030-01-01T00:01:00Z"
    reader.now = NOW
    assert ids(reader.read_whole()) == [1, 2]
    assert server.queries("since")[-1] == "2029-12-31T23:55:00Z"
