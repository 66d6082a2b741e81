"""A look at Xledger says what is wrong with a connector, and what its schema offers."""

import sys
from subprocess import run
from typing import Any

import pytest

from shared.connectors.base import SourceStream
from shared.connectors.registry import connector_type
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.xledger.readings import Reader, access, ids, projects, stream, xledger
from tests.connectors.xledger.server import TOKEN, GraphQlServer, refuses, says

XLEDGER = connector_type("xledger")


def check(server: GraphQlServer, *streams: Any) -> list[tuple[str, str | None, str]]:
    failures = XLEDGER.check(access(xledger(server, *streams)))
    return [(one.stream, one.error.fault, str(one.error)) for one in failures]


def offered(server: GraphQlServer, *streams: Any) -> dict[str, SourceStream]:
    return {one.name: one for one in XLEDGER.streams(access(xledger(server, *streams)))}


def test_a_check_asks_for_one_node_of_each_stream(server: GraphQlServer) -> None:
    server.projects = projects(8)
    server.accounts = [{"id": "a"}]
    accounts = stream(name="accounts", fields=["id"], primary_key=["id"])
    assert check(server, stream(cursor={}), accounts) == []
    assert server.variables("first") == [1, 1]


def test_a_check_tells_of_each_stream_what_is_wrong(server: GraphQlServer) -> None:
    server.projects = projects(2)
    failures = check(
        server,
        stream(),
        stream(name="missing"),
        stream(name="misspelt", connection="projects", fields=["dbId", "cod"]),
        stream(name="keyless", connection="projects", fields=["count"], primary_key=["count"]),
        stream(
            name="other", connection="projects", fields=["dbId", "count"], cursor={"field": "count"}
        ),
        stream(
            name="format", connection="projects", fields=["dbId", "code"], cursor={"field": "code"}
        ),
    )
    assert [(name, fault) for name, fault, _ in failures] == [
        ("missing", "schema"),
        ("misspelt", "schema"),
        ("keyless", "schema"),
        ("other", "schema"),
        ("format", "schema"),
    ]
    sentences = [sentence for *_, sentence in failures]
    assert "refused the query of missing at missing" in sentences[0]
    assert "refused the query of misspelt at cod" in sentences[1]
    assert "correct primary_key" in sentences[2]
    assert "correct the cursor's field" in sentences[3]
    assert "has no iso8601 in code" in sentences[4]


def test_a_check_of_a_stream_without_nodes_finds_nothing(server: GraphQlServer) -> None:
    assert check(server, stream(cursor={})) == []


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        (says(401), PermanentError, "login"),
        (refuses(code="BAD_REQUEST.INSUFFICIENT_CREDITS"), TransientError, "rate_limited"),
    ],
)
def test_what_keeps_every_stream_from_being_read_is_raised_at_once(
    server: GraphQlServer, fault: Any, error: type[SynclineError], kind: str
) -> None:
    server.always = fault
    for look in (XLEDGER.check, XLEDGER.streams):
        server.asked.clear()
        with pytest.raises(error) as failed:
            look(access(xledger(server, stream(), stream(name="b", connection="projects"))))
        assert getattr(failed.value, "fault", None) == kind
        assert TOKEN not in str(failed.value)
        assert len(server.asked) == 1


def test_the_schema_offers_connections_with_their_nodes_fields(server: GraphQlServer) -> None:
    found = offered(server)
    assert list(found) == ["accounts", "projects"]
    assert len(server.asked) == 2
    one = found["projects"]
    assert (one.kind, one.primary_key) == ("connection", ("dbId",))
    assert one.cursors == ("modifiedAt", "createdAt")
    columns = {column.name: (column.type, column.is_nullable) for column in one.columns}
    assert columns["dbId"] == ("Int64String", False)
    assert columns["amount"] == ("MoneyString", True)
    assert columns["mainProject"] == ("Project", True)
    assert columns["lines"] == ("[Line]", True)
    assert "children" not in columns
    assert found["accounts"].primary_key == ("id",)
    assert found["accounts"].cursors == ()


def test_the_settings_of_an_offer_can_be_synced_as_they_are(server: GraphQlServer) -> None:
    server.projects = [{**one, "amount": "1.50", "tags": ["a"]} for one in projects(3)]
    chosen = dict(offered(server)["projects"].settings)
    assert chosen["cursor"] == {"field": "modifiedAt", "parameter": "filter.modifiedAt_gte"}
    assert chosen["numbers"] == ["dbId", "amount"]
    assert check(server, chosen) == []
    rows = Reader(xledger(server, chosen)).read_whole()
    assert ids(rows) == [1, 2, 3]
    assert {"amount", "tags", "hours"} <= set(rows[0])


def test_a_schema_that_is_not_told_leaves_the_configured_streams(server: GraphQlServer) -> None:
    server.is_open = False
    server.projects = projects(3)
    found = offered(server, stream(cursor={}), stream(name="missing"))
    assert list(found) == ["projects"]
    one = found["projects"]
    assert (one.primary_key, one.cursors) == (("dbId",), ("modifiedAt",))
    assert [(column.name, column.type) for column in one.columns] == [
        ("dbId", "integer"),
        ("code", "string"),
        ("modifiedAt", "string"),
    ]
    assert check(server, dict(one.settings)) == []


def test_a_look_without_schema_and_streams_says_why(server: GraphQlServer) -> None:
    server.is_open = False
    with pytest.raises(PermanentError, match="refused the query of missing"):
        offered(server, stream(name="missing"))


def test_a_schema_of_another_shape_offers_nothing(server: GraphQlServer) -> None:
    server.faults = [says(200, {"data": {"__schema": None}}), says(200, {"data": {"a": [1]}})]
    assert offered(server) == {}


def test_a_look_imports_no_dlt(server: GraphQlServer) -> None:
    server.projects = projects(1)
    code = (
        "import sys; from shared.connectors.xledger.look import check, offered_streams;"
        " from shared.connectors.xledger.config import XledgerConfig;"
        " from shared.connectors.base import SourceAccess; from tests.loopback import LOOPBACK;"
        f" given = {{'endpoint': {server.url!r}, 'token': {TOKEN!r},"
        " 'streams': [{'name': 'projects', 'fields': ['dbId']}]};"
        " access = SourceAccess(config=XledgerConfig.model_validate(given), guard=LOOPBACK);"
        " print(check(access), len(offered_streams(access)), 'dlt' in sys.modules)"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 2 False"
