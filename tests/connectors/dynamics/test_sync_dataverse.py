"""Records of Dataverse land by their time of change, or by change tracking, deletions included."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.connectors.base import Watermark
from shared.errors import PermanentError
from tests.connectors.api.server import Fault, says
from tests.connectors.databases import DATASET, Postgres, counts
from tests.connectors.dynamics.odata_server import ODataServer, refuses
from tests.connectors.dynamics.shop import DynamicsShop, add_accounts, dataverse, day, number_id

TRACKED = {"entity": "accounts", "delta": True}


def shop(server: ODataServer, dataset: Postgres, *streams: dict[str, Any]) -> DynamicsShop:
    return DynamicsShop(dataverse(server, *streams), dataset)


def tracked(server: ODataServer, dataset: Postgres, **settings: Any) -> DynamicsShop:
    return shop(server, dataset, {**TRACKED, **settings})


def names(one: DynamicsShop) -> list[str]:
    found = one.dataset.rows(
        f"SELECT name FROM {DATASET}.accounts WHERE name IS NOT NULL ORDER BY 1"
    )
    return [row[0] for row in found]


def deleted(one: DynamicsShop) -> list[str]:
    """Return the ids of the rows that were deleted; nothing else is left of them."""
    found = one.dataset.rows(
        f"SELECT accountid, name, modifiedon FROM {DATASET}.accounts"
        " WHERE _deleted_at IS NOT NULL ORDER BY 1"
    )
    assert all(row[1:] == (None, None) for row in found)
    return [row[0] for row in found]


def test_a_sync_brings_what_is_new_and_changed(server: ODataServer, dataset: Postgres) -> None:
    add_accounts(server, 1, 2)
    one = shop(server, dataset)
    assert counts(one.sync()) == (2, 2, 0)
    server.change("accounts", number_id(1), name="new", modifiedon=day(3))
    assert counts(one.sync()) == (2, 0, 1)
    assert one.names("accounts", "name") == ["n2", "new"]
    assert server.queries("accounts", "$orderby")[0] == "modifiedon,accountid"
    assert set(one.types("accounts")) == {
        "accountid",
        "name",
        "revenue",
        "_ownerid_value",
        "createdon",
        "modifiedon",
    }


def test_changes_and_deletions_are_tracked(server: ODataServer, dataset: Postgres) -> None:
    add_accounts(server, *range(1, 9))
    one = tracked(server, dataset)
    assert counts(one.sync()) == (8, 8, 0)
    assert one.mark("accounts") == f"accounts?%24deltatoken={server.version}".replace("%24", "$")
    server.change("accounts", number_id(1), name="changed", modifiedon=day(1))
    server.remove("accounts", number_id(2))
    add_accounts(server, 9)
    assert counts(one.sync()) == (3, 1, 2)
    assert deleted(one) == [number_id(2)]
    assert names(one)[0] == "changed"
    assert counts(one.sync()) == (0, 0, 0)
    preferences = [one.headers["Prefer"] for one in server.asked if "accounts" in one.path]
    assert preferences == [
        *["odata.maxpagesize=1000,odata.track-changes"] * 3,
        *["odata.maxpagesize=1000"] * 2,
    ]


@pytest.mark.parametrize("has_relative_links", [False, True])
def test_tracking_goes_on_over_slices(
    server: ODataServer, dataset: Postgres, has_relative_links: bool
) -> None:
    server.has_relative_links = has_relative_links
    add_accounts(server, *range(1, 9))
    one = tracked(server, dataset)
    assert len(one.sync_in_slices()) == 3
    assert len(names(one)) == 8
    for number in range(1, 8):
        server.change("accounts", number_id(number), name=f"c{number}")
    server.remove("accounts", number_id(8))
    before = one.mark("accounts")
    one.sync(has_time=lambda: False)
    assert one.mark("accounts") == before
    one.sync_in_slices()
    assert names(one) == [f"c{number}" for number in range(1, 8)]
    assert deleted(one) == [number_id(8)]


def test_a_record_that_came_and_went_leaves_its_id_alone(
    server: ODataServer, dataset: Postgres
) -> None:
    add_accounts(server, 1)
    one = tracked(server, dataset)
    one.sync()
    add_accounts(server, 2)
    server.remove("accounts", number_id(2))
    assert one.sync().records_created == 1
    assert deleted(one) == [number_id(2)]


@pytest.mark.parametrize("refusal", [says(410), refuses(400, "0x80044352")])
def test_a_link_that_is_too_old_lets_the_stream_be_read_anew(
    server: ODataServer, dataset: Postgres, refusal: Fault
) -> None:
    add_accounts(server, *range(1, 6))
    one = tracked(server, dataset)
    one.sync()
    server.remove("accounts", number_id(1))
    server.deleted.clear()  # after an age nobody knows of it
    add_accounts(server, 6)
    server.expired = refusal
    one.sync_in_slices()
    assert names(one) == ["n2", "n3", "n4", "n5", "n6"]
    assert deleted(one) == []
    server.expired = None
    assert counts(one.sync()) == (0, 0, 0)


def test_a_link_that_is_too_old_costs_one_slice_even_with_time(
    server: ODataServer, dataset: Postgres
) -> None:
    add_accounts(server, 1)
    one = tracked(server, dataset)
    one.sync()
    server.expired = says(410)
    first = one.sync()
    assert first.positions
    assert counts(one.sync()) == (1, 0, 0)
    assert not one.positions


def test_a_page_of_changes_that_is_forgotten_begins_the_changes_anew(
    server: ODataServer, dataset: Postgres
) -> None:
    add_accounts(server, *range(1, 9))
    one = tracked(server, dataset)
    one.sync()
    for number in range(1, 8):
        server.change("accounts", number_id(number), name=f"c{number}")
    one.sync(has_time=lambda: False)
    server.faults["accounts"] = [refuses(400, "0x80060888")]
    one.sync_in_slices()
    assert names(one) == [*(f"c{number}" for number in range(1, 8)), "n8"]


def test_more_columns_let_the_stream_be_read_anew(server: ODataServer, dataset: Postgres) -> None:
    add_accounts(server, 1, 2)
    one = tracked(server, dataset, columns=["name"])
    one.sync()
    assert one.mark("accounts").startswith("accounts?$select=accountid%2Cname&$deltatoken=")
    assert counts(one.sync()) == (0, 0, 0)
    one.config = dataverse(server, {**TRACKED, "columns": ["name", "modifiedon"]})
    assert counts(one.sync()) == (2, 0, 2)
    one.config = dataverse(server, {**TRACKED, "columns": ["modifiedon"]})
    assert counts(one.sync()) == (0, 0, 0)
    one.config = dataverse(server, TRACKED)
    assert counts(one.sync()) == (2, 0, 0)


def test_a_table_without_tracking_is_told_at_once(server: ODataServer, dataset: Postgres) -> None:
    server.is_tracking = False
    add_accounts(server, *range(1, 9))
    with pytest.raises(PermanentError, match="turn on Track changes") as failed:
        tracked(server, dataset).sync()
    assert failed.value.fault == "settings"
    assert len(server.queries("accounts", "$skiptoken")) == 1


@pytest.mark.parametrize("text", ["2024-01-01", "contacts?$deltatoken=1", "https://elsewhere/x?a"])
def test_a_watermark_that_is_no_link_of_the_stream_is_told(
    server: ODataServer, dataset: Postgres, text: str
) -> None:
    one = tracked(server, dataset)
    value = {"type": "str", "value": text}
    one.watermarks["accounts"] = Watermark("accounts", "@odata.deltaLink", value)
    with pytest.raises(PermanentError, match="is no delta link: reset it"):
        one.sync()
    assert "accounts" not in server.names()


def test_a_watermark_of_the_time_of_change_is_of_no_use_to_tracking(
    server: ODataServer, dataset: Postgres
) -> None:
    add_accounts(server, 1, 2)
    one = shop(server, dataset)
    one.sync()
    one.config = dataverse(server, TRACKED)
    assert counts(one.sync()) == (2, 0, 0)


@pytest.mark.parametrize(
    "form",
    [
        lambda key: {"@odata.context": "$metadata#accounts/$deletedEntity", "id": key},
        lambda key: {"@odata.context": "x#accounts/$deletedEntity", "id": f"https://x/a({key})"},
        lambda key: {"@removed": {"reason": "deleted"}, "@id": f"accounts({key})"},
    ],
)
def test_a_deletion_is_known_in_every_form(
    server: ODataServer, dataset: Postgres, form: Callable[[str], dict[str, Any]]
) -> None:
    add_accounts(server, 1)
    one = tracked(server, dataset)
    one.sync()
    server.faults["accounts"] = [says(200, {"value": [form(number_id(1))]})]
    before = one.mark("accounts")
    one.sync()
    assert deleted(one) == [number_id(1)]
    assert one.mark("accounts") == before  # no link came, so that the next sync asks again
