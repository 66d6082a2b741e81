"""Records of Business Central land exactly, and once."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from tests.connectors.databases import DATASET, Postgres, counts
from tests.connectors.dynamics.odata_server import ODataServer
from tests.connectors.dynamics.shop import (
    BERGEN,
    OSLO,
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


def test_a_sync_brings_what_is_new_and_changed(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, 1, 2)
    one = shop(server, dataset)
    assert counts(one.sync()) == (2, 2, 0)
    assert one.mark() == "2024-01-02T00:00:00+00:00"
    server.change(
        "customers", number_id(1), displayName="new", lastModifiedDateTime=day(3, "08:00:00.123Z")
    )
    assert counts(one.sync()) == (2, 0, 1)
    assert one.names() == ["n2", "new"]
    assert one.mark() == "2024-01-03T08:00:00.123000+00:00"
    assert server.queries("customers", "$filter") == [
        None,
        "lastModifiedDateTime ge 2024-01-01T23:55:00Z",
    ]
    one.sync()
    newest = server.queries("customers", "$filter")[-1]
    assert newest == "lastModifiedDateTime ge 2024-01-03T07:55:00.123Z"


def test_values_land_exactly_as_the_metadata_types_them(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(
        server,
        1,
        number="007",
        balance=Decimal("12345678901234567890.123456789"),
        weight=Decimal("0.1"),
        blocked=True,
        entryNumber=9007199254740993,
        birthday="0001-01-01",
        opensAt="08:30:00.0000000",
        logo="-_8=",
        type="Person",
        currency="NOK",
        address={"city": "Oslo", "height": Decimal("0.10")},
        tags=["a", "b"],
        place={"type": "Point"},
        period="P1D",
        lastModifiedDateTime="2024-01-01T08:00:00.123+02:00",
    )
    add_customers(server, 2, balance="0.10", weight="NaN", lastModifiedDateTime=None)
    one = shop(server, dataset)
    assert one.sync().records_created == 2
    columns = one.types("customers")
    assert {name: kind for name, kind in columns.items() if kind != "character varying"} == {
        "balance": "numeric",
        "weight": "double precision",
        "blocked": "boolean",
        "entry_number": "bigint",
        "birthday": "date",
        "opens_at": "time without time zone",
        "logo": "bytea",
        "address": "jsonb",
        "tags": "jsonb",
        "place": "jsonb",
        "last_modified_date_time": "timestamp with time zone",
    }
    assert "picture" not in columns
    row = one.loaded(
        "number, balance, weight, blocked, entry_number, birthday, opens_at, type, currency, period"
    )
    assert row[0] == (
        "007",
        Decimal("12345678901234567890.123456789"),
        0.1,
        True,
        9007199254740993,
        date(1, 1, 1),
        time(8, 30),
        "Person",
        "NOK",
        "P1D",
    )
    assert row[1][1:3] == (Decimal("0.10"), pytest.approx(float("nan"), nan_ok=True))
    (rest,) = dataset.rows(
        "SELECT encode(logo, 'hex'), address::text, tags::text, last_modified_date_time"
        f" FROM {DATASET}.customers WHERE blocked"
    )
    assert rest == (
        "fbff",
        '{"city": "Oslo", "height": 0.10}',
        '["a", "b"]',
        datetime(2024, 1, 1, 6, 0, 0, 123000, tzinfo=UTC),
    )


def test_an_empty_time_of_business_central_lands_as_it_is(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, 1, lastModifiedDateTime="0001-01-01T00:00:00+00:00")
    one = shop(server, dataset)
    assert one.sync().records_created == 1
    assert one.watermarks == {}
    (row,) = dataset.rows(f"SELECT last_modified_date_time::text FROM {DATASET}.customers")
    assert row[0].startswith("0001-01-01 00:00:00")


def test_a_full_refresh_takes_away_what_the_source_has_no_more(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, *range(1, 6))
    add_customers(server, 1, company=BERGEN)
    one = shop(server, dataset, {"entity": "customers", "sync_mode": "full_refresh"})
    one.sync_in_slices()
    server.remove("customers", number_id(1))
    one.sync_in_slices()
    assert one.names() == ["n2", "n3", "n4", "n5"]
    assert one.watermarks == {}


def test_only_the_selected_columns_are_asked_for_and_land(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, 1)
    one = shop(server, dataset, {"entity": "customers", "columns": ["displayName", "balance"]})
    one.sync()
    assert server.queries("customers", "$select") == ["id,lastModifiedDateTime,displayName,balance"]
    assert set(one.types("customers")) == {
        "company_id",
        "id",
        "last_modified_date_time",
        "display_name",
        "balance",
    }


def test_a_filter_goes_along_with_the_cursor(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, 1, 2, 3)
    chosen = {"entity": "customers", "filter": "displayName eq 'n1' or displayName eq 'n2'"}
    one = shop(server, dataset, chosen)
    one.sync()
    assert one.names() == ["n1", "n2"]
    one.sync()
    assert server.queries("customers", "$filter")[-1] == (
        "(displayName eq 'n1' or displayName eq 'n2')"
        " and lastModifiedDateTime ge 2024-01-01T23:55:00Z"
    )


def test_a_key_of_many_parts_is_the_services_own(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    for sequence in (1, 2):
        line = {"documentId": number_id(1), "sequence": sequence, "amount": "1.50"}
        server.add("orderLines", line, company=OSLO)
    one = shop(server, dataset, {"entity": "orderLines", "sync_mode": "full_refresh"})
    assert counts(one.sync()) == (2, 2, 0)
    assert counts(one.sync()) == (2, 0, 0)
    assert one.loaded("sequence, amount", "order_lines") == [
        (1, Decimal("1.50")),
        (2, Decimal("1.50")),
    ]


def test_a_number_may_be_the_cursor(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, 1, entryNumber=7)
    one = shop(server, dataset, {"entity": "customers", "cursor": "entryNumber"})
    one.sync()
    assert one.watermarks["customers"].value == {"type": "int", "value": "7"}
    one.sync()
    assert server.queries("customers", "$filter")[-1] == "entryNumber ge 7"


def test_a_record_that_cannot_be_loaded_is_rejected_and_the_others_land(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, 1, 2)
    add_customers(server, 3, displayName="a\0b")
    one = shop(server, dataset)
    result = one.sync()
    assert (result.records_created, result.records_failed) == (2, 1)
    assert result.metadata["rejected"] == {"customers": {"nul_character": 1}}
