"""The companies of Business Central share tables, and are told apart."""

from typing import Any

import pytest

from shared.errors import PermanentError
from tests.connectors.databases import Postgres, counts
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


def test_companies_share_a_table_and_are_told_apart(server: ODataServer, dataset: Postgres) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, 1, 2)
    add_customers(server, 1, company=BERGEN, displayName="other")
    one = shop(server, dataset)
    assert counts(one.sync()) == (3, 3, 0)
    assert one.loaded("company_id, display_name, id") == [
        (OSLO, "n1", number_id(1)),
        (OSLO, "n2", number_id(2)),
        (BERGEN, "other", number_id(1)),
    ]


@pytest.mark.parametrize("chosen", ["Bergen", "bergen", BERGEN, BERGEN.upper()])
def test_only_the_chosen_companies_are_read(
    server: ODataServer, dataset: Postgres, chosen: str
) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, 1)
    add_customers(server, 2, company=BERGEN)
    one = shop(server, dataset, companies=[chosen])
    one.sync()
    assert one.names() == ["n2"]


def test_a_company_that_is_not_there_is_told(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    with pytest.raises(PermanentError, match="There is no company Stord, or the app") as failed:
        shop(server, dataset, companies=["Oslo", "Stord"]).sync()
    assert failed.value.fault == "not_found"


def test_no_company_at_all_is_a_matter_of_permissions(
    server: ODataServer, dataset: Postgres
) -> None:
    with pytest.raises(PermanentError, match="sees no company") as failed:
        shop(server, dataset).sync()
    assert failed.value.code == "authorization"


def test_a_company_that_vanishes_is_left_out(server: ODataServer, dataset: Postgres) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, 1)

    def close() -> None:
        if server.names()[-1] == "companies":
            server.remove("companies", BERGEN)

    server.after_page = close
    one = shop(server, dataset)
    assert counts(one.sync()) == (1, 1, 0)


def test_what_changes_in_a_company_that_was_read_is_brought_by_the_next_sync(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, 1)
    add_customers(server, 9, company=BERGEN)
    server.date = "Sat, 06 Jan 2024 00:00:00 GMT"
    one = shop(server, dataset, {"entity": "customers", "look_back_seconds": 0})

    def change() -> None:
        if server.names()[-1] == "customers":
            server.change(
                "customers", number_id(1), displayName="late", lastModifiedDateTime=day(7)
            )
            server.after_page = lambda: None

    server.after_page = change
    one.sync()
    assert one.names() == ["n1", "n9"]
    assert one.mark() == "2024-01-06T00:00:00+00:00"
    one.sync()
    assert one.names() == ["late", "n9"]


def test_a_company_that_is_new_is_read_whole(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, 5)
    one = shop(server, dataset)
    one.sync()
    found(server, "Bergen", created=day(6))
    add_customers(server, 1, company=BERGEN, displayName="copied")
    one.sync()
    assert one.names() == ["copied", "n5"]
