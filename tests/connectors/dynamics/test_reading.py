"""A stream is read from where the sync or the slice before ended, and its watermark is true."""

from typing import Any

import pytest

from shared.connectors import slices
from shared.connectors.base import Watermark, always_has_time
from shared.errors import LeaseLostError, PermanentError
from tests.connectors.api.server import says
from tests.connectors.databases import DATASET, Postgres, counts
from tests.connectors.dynamics.odata_server import ODataServer, refuses
from tests.connectors.dynamics.shop import (
    BERGEN,
    DynamicsShop,
    add_customers,
    central,
    day,
    found,
    number_id,
)


def shop(
    server: ODataServer, dataset: Postgres, *streams: dict[str, Any], **service: Any
) -> DynamicsShop:
    return DynamicsShop(central(server, *streams, **service), dataset)


def test_the_cap_of_a_run_is_when_its_first_slice_began(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, 1)
    add_customers(server, 9, company=BERGEN)
    server.date = "Sat, 06 Jan 2024 00:00:00 GMT"
    one = shop(server, dataset)
    one.sync(has_time=lambda: False)
    server.date = "Mon, 08 Jan 2024 00:00:00 GMT"
    one.sync_in_slices()
    assert one.mark() == "2024-01-06T00:00:00+00:00"


def test_a_time_of_change_in_the_future_does_not_hide_what_comes_before(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, 1)
    add_customers(server, 2, lastModifiedDateTime="2999-01-01T00:00:00Z")
    server.date = "Sat, 06 Jan 2024 00:00:00 GMT"
    one = shop(server, dataset)
    one.sync()
    add_customers(server, 7)
    server.date = "Mon, 08 Jan 2024 00:00:00 GMT"
    assert counts(one.sync()) == (2, 1, 0)


def test_what_changes_behind_a_reader_without_an_order_is_brought_by_the_next_sync(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, *range(1, 6))
    server.date = "Sat, 06 Jan 2024 00:00:00 GMT"
    one = shop(server, dataset, {"entity": "customers", "ordered": False})

    def change() -> None:
        if server.names()[-1] == "customers":
            server.change("customers", number_id(1), displayName="c", lastModifiedDateTime=day(7))
            server.change("customers", number_id(5), lastModifiedDateTime=day(8))
            server.after_page = lambda: None

    server.after_page = change
    one.sync()
    assert one.mark() == "2024-01-06T00:00:00+00:00"
    one.sync()
    assert "c" in one.names()


def test_a_watermark_never_moves_back(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, 1, 2, lastModifiedDateTime=day(2))
    add_customers(server, 3, lastModifiedDateTime=day(2, "00:01:00Z"))
    one = shop(server, dataset)
    one.sync()
    before = one.mark()
    server.remove("customers", number_id(3))
    one.sync_in_slices()
    assert one.mark() == before


@pytest.mark.parametrize("companies", [("Oslo",), ("Oslo", "Bergen")])
@pytest.mark.parametrize("has_relative_links", [False, True])
def test_a_run_in_slices_brings_every_record_once(
    server: ODataServer, dataset: Postgres, companies: tuple[str, ...], has_relative_links: bool
) -> None:
    found(server, *companies)
    server.has_relative_links = has_relative_links
    add_customers(server, *range(1, 9))
    if len(companies) > 1:
        add_customers(server, *range(11, 16), company=BERGEN)
    one = shop(server, dataset)
    results = one.sync_in_slices()
    total = 8 if len(companies) == 1 else 13
    assert sum(result.records_created for result in results) == total
    assert len(results) >= 3
    assert len(one.names()) == total


def test_the_watermark_moves_with_the_slices_of_one_company(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, *range(1, 9))
    one = shop(server, dataset)
    one.sync(has_time=lambda: False)
    assert one.positions
    assert one.mark() == "2024-01-03T00:00:00+00:00"
    assert server.queries("customers", "$orderby") == ["lastModifiedDateTime,id"]


def test_without_an_order_the_watermark_moves_at_the_end(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, *range(1, 9))
    one = shop(server, dataset, {"entity": "customers", "ordered": False})
    one.sync(has_time=lambda: False)
    assert one.watermarks == {}
    one.sync_in_slices()
    assert one.mark() == "2024-01-08T00:00:00+00:00"
    assert set(server.queries("customers", "$orderby")) == {None}


def test_a_service_that_does_not_sort_is_told(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    server.sorts = False
    add_customers(server, 1, lastModifiedDateTime=day(9))
    add_customers(server, 2)
    with pytest.raises(PermanentError, match="set ordered to false") as failed:
        shop(server, dataset).sync()
    assert failed.value.code == "cursor_backwards"


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ({"type": "date", "value": "2024-01-02"}, "2024-01-02T00:00:00Z"),
        ({"type": "datetime", "value": "2024-01-02T08:00:00+01:00"}, "2024-01-02T07:00:00Z"),
        ({"type": "datetime", "value": "2024-01-02T08:00:00"}, "2024-01-02T08:00:00Z"),
    ],
)
def test_a_sync_starts_where_a_person_says(
    server: ODataServer, dataset: Postgres, value: dict[str, str], start: str
) -> None:
    found(server)
    one = shop(server, dataset, {"entity": "customers", "look_back_seconds": 0})
    one.watermarks["customers"] = Watermark("customers", "lastModifiedDateTime", value)
    one.sync()
    assert server.queries("customers", "$filter") == [f"lastModifiedDateTime ge {start}"]


def test_a_watermark_of_another_type_is_told(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    one = shop(server, dataset)
    value = {"type": "str", "value": "x"}
    one.watermarks["customers"] = Watermark("customers", "lastModifiedDateTime", value)
    with pytest.raises(PermanentError, match="reset it to sync from the start"):
        one.sync()


def test_what_was_read_before_a_source_broke_is_loaded_and_the_run_goes_on_there(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, *range(1, 9))
    one = shop(server, dataset)

    def break_later() -> None:
        if server.names()[-1] == "customers":
            server.faults["customers"] = [says(500)] * 4
            server.after_page = lambda: None

    server.after_page = break_later
    result = one.sync()
    assert [failure.error.code for failure in result.failures] == ["source_unavailable"]
    assert result.records_created == 3
    one.sync()
    assert len(one.names()) == 8
    assert server.queries("customers", "$skiptoken").count(None) == 1


def test_a_page_that_the_service_has_forgotten_begins_the_stream_anew_once(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, *range(1, 9))
    one = shop(server, dataset)
    one.sync(has_time=lambda: False)
    server.faults["customers"] = [refuses(400, "BadRequest_InvalidToken")]
    one.sync_in_slices()
    assert len(one.names()) == 8
    assert server.queries("customers", "$skiptoken").count(None) == 2


def test_a_position_of_other_settings_is_ignored(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, *range(1, 9))
    one = shop(server, dataset)
    one.sync(has_time=lambda: False)
    one.config = central(server, {"entity": "customers", "columns": ["number"]})
    one.watermarks = {}
    one.sync()
    assert server.queries("customers", "$skiptoken")[1] is None
    assert len(one.names(column="id")) == 8


def test_a_position_that_cannot_be_read_is_told(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, *range(1, 9))
    one = shop(server, dataset)
    one.sync(has_time=lambda: False)
    one.positions["customers"] = {**one.positions["customers"], "cap": "x"}
    with pytest.raises(PermanentError, match="start it anew"):
        one.sync()


def test_a_slice_ends_where_there_is_no_room(
    server: ODataServer, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "FOLDER_BYTES", 1)
    found(server)
    add_customers(server, *range(1, 9))
    one = shop(server, dataset)
    results = one.sync_in_slices(has_time=always_has_time)
    assert len(results) > 1
    assert len(one.names()) == 8


def test_a_lease_that_is_lost_ends_the_sync_and_nothing_is_loaded(
    server: ODataServer, dataset: Postgres
) -> None:
    def lose() -> bool:
        raise LeaseLostError("Another worker holds the run.")

    found(server)
    add_customers(server, *range(1, 9))
    with pytest.raises(LeaseLostError):
        shop(server, dataset).sync(has_time=lose)
    assert not dataset.has_table(f"{DATASET}.customers")
