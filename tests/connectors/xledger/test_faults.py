"""Whatever Xledger answers, a run ends with a status and a sentence that a person can act on."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.connectors.registry import connector_type
from shared.connectors.xledger.config import XledgerConfig
from shared.errors import PermanentError, TransientError
from tests.connectors.databases import hold_lease
from tests.connectors.xledger.readings import projects, stream, sync_request, xledger
from tests.connectors.xledger.server import TOKEN, Fault, GraphQlServer, refuses, says
from tests.egress.hostile import Hostile, hostile_server

CANARIES = (TOKEN, "canary-message")


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with hostile_server() as server:
        yield server


def failure_of(config: XledgerConfig) -> TransientError | PermanentError:
    """Sync, and return the error that ends the run; no secret and no server's text is in it."""
    with pytest.raises((TransientError, PermanentError)) as failed:
        connector_type("xledger").sync(sync_request(config), hold_lease)
    for canary in CANARIES:
        assert canary not in str(failed.value)
    return failed.value


def told(error: TransientError | PermanentError) -> tuple[bool, str, str | None, str]:
    return isinstance(error, TransientError), error.code, error.fault, str(error)


REFUSED = "Xledger refused the token: give the connector one that is valid there"
FORBIDDEN = "Xledger does not permit this: check what the token's user may read"
SLOW = "Xledger took too long for a page: if it stays so, choose a smaller page_size"
FAST = "Xledger asks for fewer requests at a time"
BUSY = "Xledger failed or is too busy"
QUERY = "Xledger refused the query of projects: correct the stream's fields, arguments or query."
NO_ANSWER = (
    "Xledger gave JSON that is no answer of GraphQL. If it stays so, check the connector's"
    " endpoint."
)
NO_CONNECTION = (
    "The answer to projects has no edges and no pageInfo.hasNextPage at projects: correct the"
    " stream's connection or query."
)
NO_NODES = (
    "The answer to projects has edges without nodes at projects: correct the stream's connection or"
    " query."
)
HINT = " If it stays so, check the connector's settings."
CHECK = "authorize the connector again, or check its key"
AT = [{"line": 99, "column": 1}]
BURST = "BAD_REQUEST.BURST_RATE_LIMIT_REACHED"
CONCURRENCY = "BAD_REQUEST.CONCURRENCY_LIMIT_REACHED"


@pytest.mark.parametrize(
    ("fault", "is_transient", "code", "kind", "sentence"),
    [
        (
            refuses(message="Bad format for API Token: canary-message"),
            False,
            "authorization",
            "login",
            f"{REFUSED} (a GraphQL error).",
        ),
        (
            refuses(extensions={"code": "UNAUTHENTICATED"}),
            False,
            "authorization",
            "login",
            f"{REFUSED} (UNAUTHENTICATED).",
        ),
        (
            says(401),
            False,
            "authorization",
            "login",
            f"The source refused the credentials: {CHECK} (HTTP 401).",
        ),
        (
            refuses(401),
            False,
            "authorization",
            "login",
            f"The source refused the credentials: {CHECK} (HTTP 401).",
        ),
        (
            refuses(extensions={"code": "FORBIDDEN"}, path=["projects"]),
            False,
            "authorization",
            "permission",
            f"{FORBIDDEN} (FORBIDDEN).",
        ),
        (refuses(code=BURST), True, "rate_limited", "rate_limited", f"{FAST} ({BURST[12:]})."),
        (
            refuses(400, code=CONCURRENCY),
            True,
            "rate_limited",
            "rate_limited",
            f"{FAST} ({CONCURRENCY[12:]}).",
        ),
        (
            refuses(message="Your query timed out."),
            True,
            "source_unavailable",
            "timeout",
            f"{SLOW} (a GraphQL error).",
        ),
        (
            refuses(path=["projects"]),
            True,
            "source_unavailable",
            "unavailable",
            f"{BUSY} (a GraphQL error).",
        ),
        (
            refuses(500),
            True,
            "source_unavailable",
            "unavailable",
            "The source failed or is too busy (HTTP 500).",
        ),
        (refuses(locations=AT), False, "configuration", "schema", QUERY),
        (refuses(400, locations=AT), False, "configuration", "schema", QUERY),
        (refuses(extensions={"code": "INVALID_VALUE"}), False, "configuration", "schema", QUERY),
        (
            says(200, {"errors": ["canary-message"]}),
            True,
            "source_unavailable",
            "unavailable",
            f"{BUSY} (a GraphQL error).",
        ),
        (says(200, {"message": "x"}), True, "source_unavailable", "schema", NO_ANSWER),
        (says(200, [1]), True, "source_unavailable", "schema", NO_ANSWER),
        (says(200, {"data": None}), True, "source_unavailable", "schema", NO_ANSWER),
        (
            says(200, b"<!doctype html><h1>Maintenance</h1>"),
            True,
            "source_unavailable",
            "schema",
            f"The source gave a web page instead of JSON.{HINT}",
        ),
        (
            says(200, b'{"data": {"proj'),
            True,
            "source_unavailable",
            "schema",
            f"The source gave an answer that is not whole JSON.{HINT}",
        ),
        (
            says(200, b'{"data": "\xff"}'),
            True,
            "source_unavailable",
            "schema",
            f"The source gave an answer that is not UTF-8.{HINT}",
        ),
        (
            says(200, {"data": {"others": {}}}),
            False,
            "configuration",
            "schema",
            NO_CONNECTION,
        ),
        (
            says(200, {"data": {"projects": {"edges": [1], "pageInfo": {"hasNextPage": False}}}}),
            False,
            "configuration",
            "schema",
            NO_NODES,
        ),
    ],
)
def test_each_trouble_has_its_status_and_its_sentence(
    server: GraphQlServer, fault: Fault, is_transient: bool, code: str, kind: str, sentence: str
) -> None:
    server.always = fault
    found = told(failure_of(xledger(server)))
    assert found == (is_transient, code, kind, sentence)


def test_a_wrong_token_is_told_as_one(server: GraphQlServer) -> None:
    error = failure_of(xledger(server, token="wrong"))
    assert (error.code, error.fault) == ("authorization", "login")
    assert server.asked[0].headers["Authorization"] == "token wrong"


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"fields": ["dbId", "cod"]}, "cod"),
        ({"fields": ["dbId", "timeoutPermission"]}, "timeoutPermission"),
        ({"fields": ["dbId", "mainProject.cod"]}, "mainProject.cod"),
        ({"fields": ["dbId", "mainProject"]}, "mainProject"),
        ({"fields": ["dbId", "code.text"]}, "code"),
        ({"arguments": {"filter": {"billabel": True}}}, "projects.filter.billabel"),
        ({"arguments": {"filter": {"billable": "yes"}}}, "projects.filter.billable"),
        ({"arguments": {"owners": 1}}, "projects.owners"),
        ({"arguments": {"ownerSet": {"$enum": "NONE"}}}, "projects.ownerSet"),
        ({"connection": "project"}, "project.first"),
        ({"connection": "nothing"}, "nothing"),
    ],
)
def test_what_the_schema_refuses_is_named_where_it_stands(
    server: GraphQlServer, settings: dict[str, Any], place: str
) -> None:
    error = failure_of(xledger(server, stream(**settings)))
    sentence = QUERY.replace(":", f" at {place}:", 1)
    assert told(error) == (False, "configuration", "schema", sentence)


def test_of_an_errors_path_only_names_of_the_query_are_told(server: GraphQlServer) -> None:
    path = ["projects", "edges", 0, "node", "code"]
    code = {"code": "INVALID_VALUE"}
    server.faults = [refuses(path=path, extensions=code)]
    assert " at code:" in str(failure_of(xledger(server)))
    server.faults = [refuses(path=["canary-message"], extensions=code)]
    assert str(failure_of(xledger(server))) == QUERY


def test_data_with_errors_beside_it_is_refused_as_a_whole(server: GraphQlServer) -> None:
    server.projects = projects(3)
    server.broken = {2}
    error = failure_of(xledger(server))
    assert (error.code, error.fault) == ("source_unavailable", "unavailable")


def test_of_several_errors_the_one_to_be_mended_first_is_told(server: GraphQlServer) -> None:
    errors = [{"message": "x", "path": ["a"]}, {"message": "x", "code": "BAD_REQUEST.UNAUTHORIZED"}]
    server.always = says(200, {"errors": errors})
    assert failure_of(xledger(server)).fault == "login"


def test_a_query_that_came_too_fast_is_repeated(server: GraphQlServer) -> None:
    server.projects = projects(1)
    server.faults = [refuses(code=BURST), refuses(429, code=BURST), says(500)]
    server.faults += [refuses(code=CONCURRENCY)]
    error = failure_of(xledger(server, stream(fields=["dbId", "cod"])))
    assert error.fault == "schema"
    assert len(server.asked) == 5


@pytest.mark.parametrize("body", [{}, {"errors": [{"message": "x", "code": BURST}]}])
def test_a_pause_that_a_status_asks_for_ends_the_attempt_until_then(
    server: GraphQlServer, body: object
) -> None:
    server.always = says(429, body, Retry_After="120")
    error = failure_of(xledger(server))
    assert isinstance(error, TransientError)
    assert (error.code, error.retry_after) == ("rate_limited", timedelta(seconds=120))
    assert len(server.asked) == 1


def test_the_token_never_leaves_for_another_address(
    server: GraphQlServer, hostile: Hostile
) -> None:
    server.always = says(307, location=hostile.url("/graphql", host="localhost"))
    assert failure_of(xledger(server)).fault == "settings"
    assert hostile.heard == []


def test_an_address_that_is_not_allowed_is_not_asked() -> None:
    config = XledgerConfig.model_validate(
        {"endpoint": "https://169.254.169.254/graphql", "token": TOKEN, "streams": [stream()]}
    )
    assert failure_of(config).fault == "address_not_allowed"
