"""Only what is new is asked for, and nothing is missed by it."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.connectors.base import Watermark
from shared.connectors.watermarks import encode
from shared.errors import PermanentError
from tests.connectors.xledger.readings import Reader, ids, projects, stream, xledger
from tests.connectors.xledger.server import GraphQlServer


def reader(server: GraphQlServer, *, fields: list[str] | None = None, **cursor: Any) -> Reader:
    chosen = fields or ["dbId", "modifiedAt"]
    return Reader(xledger(server, stream(fields=chosen, cursor=cursor)))


def test_the_next_sync_asks_for_what_came_since_less_the_look_back(server: GraphQlServer) -> None:
    server.projects = projects(5)
    one = reader(server)
    assert ids(one.read_whole()) == [1, 2, 3, 4, 5]
    assert "filter" not in server.asked[0].query
    assert one.watermark == encode("projects", "modifiedAt", datetime(2024, 1, 5, 10))  # noqa: DTZ001 (as Xledger writes it)
    assert ids(one.read_whole()) == [5]
    assert 'filter: { modifiedAt_gte: "2024-01-05T08:00:00" }' in server.asked[-1].query


def test_the_cursor_is_added_to_a_filter_that_is_there(server: GraphQlServer) -> None:
    server.projects = [{**one, "billable": one["dbId"] != 5} for one in projects(5)]
    given = stream(cursor={"look_back_seconds": 86_400}, arguments={"filter": {"billable": True}})
    one = Reader(xledger(server, given))
    one.read_whole()
    assert ids(one.read_whole()) == [3, 4]
    assert given["arguments"] == {"filter": {"billable": True}}


def test_an_initial_value_and_an_end_bound_the_first_sync(server: GraphQlServer) -> None:
    server.projects = [*projects(5), {"dbId": 6, "modifiedAt": "2031-01-01T00:00:00"}]
    initial = {"initial": "2024-01-04T00:00:00", "end_parameter": "filter.modifiedAt_lte"}
    assert ids(reader(server, **initial).read_whole()) == [4, 5]
    assert 'modifiedAt_lte: "2030-01-01T00:00:00"' in server.asked[0].query


def test_every_slice_of_a_run_asks_for_the_same(server: GraphQlServer) -> None:
    server.projects = projects(8)
    one = reader(server)
    one.watermark = encode("projects", "modifiedAt", datetime(2024, 1, 2, 11))  # noqa: DTZ001
    one.read_run()
    assert len({asked.query for asked in server.asked}) == 1
    assert len(server.asked) == 3


def test_the_watermark_moves_only_at_the_end_and_never_back(server: GraphQlServer) -> None:
    server.projects = list(reversed(projects(5)))
    one = reader(server)
    one.read()
    assert one.watermark is None
    one.read()
    assert one.watermark is not None
    before = one.watermark
    server.projects = []
    one.read_whole()
    assert one.watermark == before


@pytest.mark.parametrize(
    "by_hand",
    [
        encode("projects", "modifiedAt", datetime(2024, 1, 4, tzinfo=UTC)),
        encode("projects", "modifiedAt", date(2024, 1, 4)),
        Watermark("projects", "modifiedAt", {"type": "str", "value": "2024-01-04T00:00:00"}),
    ],
)
def test_a_watermark_that_a_person_set_is_taken_as_xledger_writes_times(
    server: GraphQlServer, by_hand: Watermark
) -> None:
    server.projects = projects(5)
    one = reader(server, look_back_seconds=0)
    one.watermark = by_hand
    assert ids(one.read_whole()) == [4, 5]
    assert 'modifiedAt_gte: "2024-01-04T00:00:00"' in server.asked[-1].query
    assert ids(one.read_whole()) == [5]


def test_times_with_a_zone_are_sent_in_utc(server: GraphQlServer) -> None:
    server.projects = [{"dbId": 1, "modifiedAt": "2024-01-04T01:00:00+01:00"}]
    one = reader(server, has_zone=True, look_back_seconds=0)
    one.watermark = encode("projects", "modifiedAt", datetime(2024, 1, 3))  # noqa: DTZ001
    one.read_whole()
    one.read_whole()
    assert ['"2024-01-03T00:00:00Z"' in asked.query for asked in server.asked] == [True, False]
    assert '"2024-01-04T00:00:00Z"' in server.asked[-1].query


def test_seconds_are_sent_as_a_number(server: GraphQlServer) -> None:
    server.projects = [{"dbId": number, "seconds": number * 1_000} for number in (1, 2, 3)]
    settings = {"field": "seconds", "parameter": "filter.seconds_gte", "format": "unix_seconds"}
    one = reader(server, fields=["dbId", "seconds"], look_back_seconds=1_000, **settings)
    one.read_whole()
    assert ids(one.read_whole()) == [2, 3]
    assert "seconds_gte: 2000" in server.asked[-1].query


def test_ids_that_grow_can_be_a_cursor(server: GraphQlServer) -> None:
    server.projects = projects(3)
    settings = {"field": "dbId", "parameter": "filter.dbId_gte", "format": "as_is"}
    one = reader(server, **settings)
    one.read_whole()
    one.read_whole()
    assert 'dbId_gte: "3"' in server.asked[-1].query


def test_a_cursor_in_an_object_is_found(server: GraphQlServer) -> None:
    server.projects = [
        {"dbId": number, "mainProject": {"modifiedAt": f"2024-01-0{number}T00:00:00"}}
        for number in (1, 2)
    ]
    one = reader(server, fields=["dbId", "mainProject.modifiedAt"], field="mainProject.modifiedAt")
    assert one.read_whole()[1]["mainProject_modifiedAt"] == "2024-01-02T00:00:00"
    assert one.watermark is not None
    assert one.watermark.value["value"] == "2024-01-02T00:00:00"


def test_a_cursor_of_another_format_is_a_sentence(server: GraphQlServer) -> None:
    server.projects = projects(2)
    with pytest.raises(PermanentError, match="has no iso8601 in code: choose the cursor's field"):
        reader(server, fields=["dbId", "code"], field="code").read_whole()


def test_a_key_that_no_node_has_is_a_sentence(server: GraphQlServer) -> None:
    server.projects = projects(2)
    with pytest.raises(PermanentError, match="have no mainProject_dbId: correct primary_key"):
        Reader(
            xledger(
                server,
                stream(fields=["dbId", "mainProject.dbId"], primary_key=["mainProject.dbId"]),
            )
        ).read_whole()
