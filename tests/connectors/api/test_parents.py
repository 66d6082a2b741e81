"""A stream with a parent is asked for each of the parent's records."""

from typing import Any

import pytest

from shared.errors import PermanentError, TransientError
from tests.connectors.api.readings import SINCE, Reader, api, stream
from tests.connectors.api.server import RestServer, says

LINES = {
    "name": "lines",
    "path": "/orders/{order}/lines",
    "primary_key": ["order_id", "number"],
    "record_path": "data",
    "pagination": {"type": "cursor", "path": "meta.next", "size_parameter": "size", "size": 2},
    "parent": {
        "stream": "orders",
        "placeholders": {"order": "id"},
        "copied": {"order_id": "id", "shop": "shop.name"},
    },
}


def lines(server: RestServer, **settings: Any) -> Reader:
    return Reader(api(server, stream(), {**LINES, **settings}), "lines")


@pytest.fixture
def orders(server: RestServer) -> RestServer:
    server.records = [{"id": order, "shop": {"name": "Oslo"}} for order in (3, 1, 2)]
    server.lines = {
        "1": [{"number": number} for number in range(3)],
        "2": [],
        "3": [{"number": number} for number in range(2)],
    }
    return server


def keys(rows: list[Any]) -> list[tuple[Any, ...]]:
    return [(row["order_id"], row["number"], row["shop"]) for row in rows]


ALL = [(1, 0, "Oslo"), (1, 1, "Oslo"), (1, 2, "Oslo"), (3, 0, "Oslo"), (3, 1, "Oslo")]


def test_children_carry_the_fields_of_their_parent(orders: RestServer) -> None:
    assert keys(lines(orders).read_whole()) == ALL


def test_a_slice_ends_within_and_between_parents(orders: RestServer) -> None:
    slices = lines(orders).read_run()
    assert [len(rows) for rows in slices] == [2, 1, 0, 2]
    assert keys([row for rows in slices for row in rows]) == ALL


def test_a_parent_that_is_gone_meanwhile_has_no_children(orders: RestServer) -> None:
    del orders.lines["1"]
    assert keys(lines(orders).read_whole()) == ALL[3:]


def test_a_path_that_is_wrong_for_every_parent_is_an_error(orders: RestServer) -> None:
    orders.lines.clear()
    with pytest.raises(PermanentError, match="nothing at this address"):
        lines(orders).read_whole()


def test_a_parent_that_comes_new_between_slices_takes_its_turn(orders: RestServer) -> None:
    reader = lines(orders)
    reader.read()
    orders.records.append({"id": 25, "shop": None})
    orders.lines["25"] = [{"number": 0}]
    rest = [row for rows in reader.read_run() for row in rows]
    assert keys(rest) == [(1, 2, "Oslo"), (25, 0, None), (3, 0, "Oslo"), (3, 1, "Oslo")]


def test_there_are_no_more_parents_than_the_settings_allow(orders: RestServer) -> None:
    parent = {**LINES["parent"], "most": 2}
    with pytest.raises(PermanentError, match=r"raise parent\.most, which is 2") as failed:
        lines(orders, parent=parent).read_whole()
    assert failed.value.fault == "settings"


@pytest.mark.parametrize("identity", [None, True, {}, "", ".."])
def test_a_parent_whose_field_fits_no_path_is_a_sentence(
    orders: RestServer, identity: object
) -> None:
    orders.records = [{"id": identity}]
    with pytest.raises(PermanentError, match=r"correct parent\.placeholders"):
        lines(orders).read_whole()


def test_a_field_of_a_parent_stays_one_part_of_the_path(orders: RestServer) -> None:
    orders.records = [{"id": "a/../b?c#d"}]
    with pytest.raises(PermanentError, match="nothing at this address"):
        lines(orders).read_whole()
    assert orders.paths()[-1] == "/orders/a/../b?c#d/lines"


def test_a_parent_may_fill_a_parameter(orders: RestServer) -> None:
    lines(orders, path="/wrapped", params={"order": "{order}"}, primary_key=["id"]).read_whole()
    assert orders.queries("order")[1:] == ["1", "2", "3"]


def test_all_parents_are_asked_whatever_the_cursor_of_their_own(orders: RestServer) -> None:
    reader = Reader(api(orders, stream(cursor=SINCE), {**LINES, "cursor": SINCE}), "lines")
    reader.read_whole()
    assert "since" not in orders.asked[0].query


def test_trouble_with_one_parent_keeps_what_was_read_before(orders: RestServer) -> None:
    reader = lines(orders)
    before = [*reader.read(), *reader.read(), *reader.read()]
    orders.faults["/orders/3/lines"] = [says(500)] * 4
    with pytest.raises(TransientError, match="too busy"):
        reader.read()
    assert keys([*before, *reader.read()]) == ALL


def test_without_parents_there_are_no_children(server: RestServer) -> None:
    server.records = []
    reader = lines(server)
    assert reader.read_whole() == []
    assert not reader.has_more
