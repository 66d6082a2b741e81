"""Connections are followed to their end, over slices, and no further."""

import pytest

from shared.errors import PermanentError
from tests.connectors.xledger.readings import Reader, ids, projects, stream, xledger
from tests.connectors.xledger.server import GraphQlServer, refuses, says

OWN = """
query ($first: Int, $after: String, $since: DateTimeString) {
  company { all: projects(first: $first, after: $after, since: $since) { ...page } }
}
fragment page on ProjectConnection {
  pageInfo { hasNextPage endCursor }
  edges { node { dbId modifiedAt mainProject { dbId } } }
}
"""


def page(*numbers: int, cursor: object = "c", has_next: bool = True) -> object:
    edges = [{"cursor": cursor, "node": {"dbId": number}} for number in numbers]
    return {"data": {"projects": {"edges": edges, "pageInfo": {"hasNextPage": has_next}}}}


@pytest.mark.parametrize("count", [0, 1, 3, 8, 9])
def test_every_node_is_read_once_in_slices_of_a_page(server: GraphQlServer, count: int) -> None:
    server.projects = projects(count)
    slices = Reader(xledger(server)).read_run()
    assert [number for rows in slices for number in ids(rows)] == list(range(1, count + 1))
    assert len(server.asked) == max(-(-count // 3), 1)
    assert set(server.variables("first")) == {3}


def test_a_server_that_gives_fewer_nodes_than_it_is_asked_for_is_followed(
    server: GraphQlServer,
) -> None:
    server.projects, server.most = projects(8), 2
    assert len(Reader(xledger(server)).read_whole()) == 8


def test_nodes_that_come_and_go_while_they_are_paged_hide_no_other(server: GraphQlServer) -> None:
    def change() -> None:
        server.projects[:] = [{"dbId": 100 + len(server.asked)}, *server.projects[1:]]

    server.projects = projects(9)
    server.after_page = change
    assert ids(Reader(xledger(server)).read_whole())[:9] == list(range(1, 10))


def test_a_query_of_ones_own_is_paged_by_its_end_cursor(server: GraphQlServer) -> None:
    server.projects, server.has_end_cursors = projects(8), True
    chosen = {"name": "mine", "query": OWN, "connection": "company.all", "page_size": 3}
    cursor = {"parameter": "since", "look_back_seconds": 0}
    reader = Reader(xledger(server, {**chosen, "cursor": cursor}))
    rows = [row for rows in reader.read_run() for row in rows]
    assert ids(rows) == list(range(1, 9))
    assert set(rows[0]) == {"dbId", "modifiedAt", "mainProject"}
    assert ids(reader.read_whole()) == [8]
    assert server.variables("since") == [None, None, None, "2024-01-08T10:00:00"]


def test_a_query_of_ones_own_without_a_size_is_not_told_one(server: GraphQlServer) -> None:
    server.projects = projects(2)
    query = (
        "query ($after: String, $all: OwnerSet = ALL) { projects(after: $after, ownerSet: $all)"
        " { pageInfo { hasNextPage } edges { cursor node { dbId } } } }"
    )
    assert len(Reader(xledger(server, {"name": "projects", "query": query})).read_whole()) == 2
    assert dict(server.asked[0].variables) == {"after": None}


def test_arguments_are_sent_as_values_and_never_as_text(server: GraphQlServer) -> None:
    server.projects = [{**one, "billable": one["dbId"] > 1} for one in projects(3)]
    arguments = {"filter": {"billable": True}, "ownerSet": {"$enum": "ALL"}}
    assert ids(Reader(xledger(server, stream(arguments=arguments))).read_whole()) == [2, 3]
    text = '"}) { edges { node { dbId } } } #'
    arguments = {"filter": {"dbId_gte": text}}
    assert len(Reader(xledger(server, stream(arguments=arguments))).read_whole()) == 3


@pytest.mark.parametrize(
    "pages",
    [
        [page(1, 2, cursor="a"), page(3, 4, cursor="a")],
        [page(1, 2, cursor="a"), page(3, 4, cursor="b"), page(5, 6, cursor="a")],
        [page(1, 2, cursor="a"), page(1, 2, cursor="b"), page(1, 2, cursor="c")],
        [page(1, cursor=None)],
        [page(1, cursor="")],
        [page()],
    ],
)
def test_a_connection_without_an_end_ends_the_run(
    server: GraphQlServer, pages: list[object]
) -> None:
    for is_whole in (True, False):
        server.faults = [says(200, one) for one in pages]
        reader = Reader(xledger(server, stream(fields=["dbId"])))
        with pytest.raises(PermanentError) as failed:
            reader.read_whole() if is_whole else reader.read_run()
        assert (failed.value.code, failed.value.fault) == ("cursor_stuck", "schema")
        assert not server.faults


def test_a_cursor_that_is_a_number_leads_on(server: GraphQlServer) -> None:
    server.faults = [says(200, page(1, cursor=7)), says(200, page(2, has_next=False))]
    assert ids(Reader(xledger(server, stream(fields=["dbId"]))).read_whole()) == [1, 2]
    assert server.variables("after") == [None, "7"]


def test_a_stored_cursor_that_is_forgotten_begins_the_stream_anew_once(
    server: GraphQlServer,
) -> None:
    server.projects = projects(8)
    reader = Reader(xledger(server))
    reader.read()
    server.projects = server.projects[3:]
    assert ids(reader.read()) == [4, 5, 6]
    assert server.variables("after") == [None, "c3", None]
    server.projects = server.projects[3:]
    with pytest.raises(PermanentError, match="Xledger refused the query of projects"):
        reader.read()


def test_a_stored_cursor_outlives_a_trouble_that_passes(server: GraphQlServer) -> None:
    server.projects = projects(5)
    reader = Reader(xledger(server))
    reader.read()
    server.faults = [refuses(code="INTERNAL_SERVER_ERROR")]
    with pytest.raises(Exception, match="failed or is too busy"):
        reader.read()
    assert ids(reader.read()) == [4, 5]


def test_a_position_of_other_settings_is_no_use(server: GraphQlServer) -> None:
    server.projects = projects(5)
    reader = Reader(xledger(server))
    reader.read()
    reader.config = xledger(server, stream(arguments={"ownerSet": {"$enum": "ALL"}}))
    assert ids(reader.read_whole()) == [1, 2, 3, 4, 5]


def test_a_position_that_cannot_be_read_is_told(server: GraphQlServer) -> None:
    server.projects = projects(5)
    reader = Reader(xledger(server))
    reader.read()
    assert reader.position is not None
    reader.position = {"of": reader.position["of"], "finished": False}
    with pytest.raises(PermanentError, match="start it anew"):
        reader.read()
