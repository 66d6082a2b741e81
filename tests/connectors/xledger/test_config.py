"""Settings of an Xledger connector are refused where they cannot work, with what to do."""

import sys
from subprocess import run
from typing import Any

import pytest
from pydantic import ValidationError

from shared.connectors.registry import connector_type, slugs
from shared.connectors.secrets import join_secrets, split_secrets
from shared.connectors.xledger.config import XledgerConfig
from tests.connectors.xledger.readings import stream

TOKEN = "canary-token-5c1e"
OWN = (
    "query ($first: Int, $after: String)"
    " { projects(first: $first, after: $after) { edges { cursor } } }"
)


def config(*streams: Any, **settings: Any) -> XledgerConfig:
    given = {"token": TOKEN, "streams": list(streams) or [stream()], **settings}
    return XledgerConfig.model_validate(given)


def own(query: str = OWN, **settings: Any) -> dict[str, Any]:
    return {"name": "projects", "query": query, **settings}


def test_the_type_is_there_with_xledgers_own_address() -> None:
    assert "xledger" in slugs()
    assert config().endpoint == "https://www.xledger.net/graphql"
    assert config().streams[0].primary_key == ["dbId"]


def test_the_token_is_a_secret() -> None:
    plain, secrets = split_secrets(config())
    assert secrets == {"/token": TOKEN}
    assert TOKEN not in str(plain) + repr(config())
    assert join_secrets(XledgerConfig, plain, secrets) == config()


def test_the_cursors_of_a_stored_config_are_its_fields() -> None:
    named = stream(name="others", connection="projects", cursor={})
    plain, _ = split_secrets(config(stream(), named))
    assert XledgerConfig.cursors_of(plain) == {"projects": None, "others": "modifiedAt"}


def test_a_cursor_of_times_looks_back_and_one_of_numbers_does_not() -> None:
    by_time, by_id = {}, {"field": "dbId", "parameter": "filter.dbId_gte", "format": "as_is"}
    for cursor, seconds in ((by_time, 7_200), (by_id, 0), ({"look_back_seconds": 60}, 60)):
        chosen = config(stream(cursor=cursor)).streams[0].cursor
        assert chosen is not None
        assert chosen.look_back_seconds == seconds


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"fields": []}, "say in fields which fields"),
        ({"fields": ["dbId", "no name"]}, "this is no name of GraphQL"),
        ({"fields": ["dbId", "__typename"]}, "this is no name of GraphQL"),
        ({"fields": ["dbId", "a." * 10 + "b"]}, "at most 10 names"),
        ({"fields": ["dbId", "a..b"]}, "this is no name of GraphQL"),
        ({"fields": ["dbId", "dbId"]}, "each column may stand once only"),
        ({"fields": ["dbId", "a.b", "a_b"]}, "each column may stand once only"),
        ({"fields": ["dbId", "a", "a.b"]}, "a and a.b do not go together"),
        ({"fields": ["code"]}, "fields leaves out what primary_key names: add dbId"),
        ({"cursor": {"field": "createdAt"}}, "what cursor names: add createdAt"),
        ({"numbers": ["amount"]}, "what numbers names: add amount"),
        ({"primary_key": ["dbId", "dbId"]}, "each field may stand once only"),
        ({"arguments": {"after": "x"}}, "leave out after: the sync turns the pages itself"),
        ({"arguments": {"a b": 1}}, "this is no name of GraphQL"),
        ({"arguments": {"filter": {"a) { x }": 1}}}, "letters, digits and _ only"),
        ({"arguments": {"owner": {"$enum": "ALL }"}}}, "a value of an enum is written"),
        ({"arguments": {"owner": {"$enum": "ALL", "a": 1}}}, "a value of an enum is written"),
        ({"arguments": {"a": float("inf")}}, "no such number"),
        ({"arguments": {"a": [[[[[[[[[[[1]]]]]]]]]]]}}, "10 levels at most"),
        (
            {"arguments": {"filter": {"modifiedAt_gte": "x"}}, "cursor": {}},
            r"the cursor sets filter.modifiedAt_gte: leave it out of arguments",
        ),
        ({"arguments": {"filter": "x"}, "cursor": {}}, "leads into no object of arguments"),
        ({"cursor": {"parameter": "after"}}, "the cursor sets after"),
        ({"cursor": {}, "sync_mode": "full_refresh"}, "leave out cursor"),
        ({"name": "my projects"}, "say in connection what Xledger calls it"),
        ({"connection": "a.b"}, "leave out the dots"),
        ({"variables": {"a": 1}}, "variables are of a query of your own"),
        ({"page_size": 10_001}, "less than or equal to 10000"),
    ],
)
def test_settings_of_a_stream_that_cannot_be_are_refused(
    settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(stream(**settings))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (own("{"), "query is no GraphQL from line 1, column 2 on"),
        (own("{ a " * 400 + "}" * 400), "too many levels|no GraphQL"),
        (own("{ " + "a " * 6_000 + "}"), "query is no GraphQL"),
        (own("mutation ($after: String) { a(b: $after) }"), "has to be a query"),
        (own("subscription ($after: String) { a(b: $after) }"), "has to be a query"),
        (own(OWN + " query other { a }"), "has to hold one query"),
        (own(OWN + " type A { b: Int }"), "has to hold one query"),
        (own("fragment f on A { b }"), "has to hold one query"),
        (own("{ projects { edges { cursor } } }"), r"has to take \$after"),
        (own(OWN.replace("after: String", "after: String!")), r"must not demand \$after"),
        (own(OWN, arguments={"a": 1}), "write arguments into your query"),
        (own(OWN, variables={"year": 1}), r"query takes no \$year"),
        (own(OWN, variables={"after": "x"}), "the variable after is set by the sync"),
        (own(OWN, cursor={"parameter": "since"}), r"query takes no \$since"),
        (own(OWN.replace("($first", "($year: Int!, $first")), r"query demands \$year"),
    ],
)
def test_a_query_of_ones_own_has_to_be_one_that_can_be_paged(
    given: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason) as failed:
        config(given)
    assert TOKEN not in str(failed.value)


def test_a_query_of_ones_own_may_have_fragments_and_variables() -> None:
    query = (
        "query ($after: String, $year: Int!, $since: T) { p(a: $after, y: $year, s: $since) { ...f"
        " } } fragment f on C { edges { cursor } }"
    )
    chosen = own(query, variables={"year": 2024}, cursor={"parameter": "since"})
    assert config(chosen).streams[0].fields == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"endpoint": "ftp://example.com"}, "start with https"),
        ({"token": ""}, "at least 1 item"),
        ({"token": "a\nb"}, "plain ASCII"),
        ({"token": f"token {TOKEN}"}, "give the token alone"),
        ({"requests_per_second": 0}, "greater than 0"),
        ({"credits": {"remaining": "rateLimit.remaining"}}, "begin with extensions"),
        ({"credits": {"remaining": "headers.a b"}}, "begin with extensions"),
    ],
)
def test_settings_of_a_connector_that_cannot_be_are_refused(
    settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason) as failed:
        config(**settings)
    assert TOKEN not in str(failed.value)


def test_streams_that_would_share_a_table_are_refused() -> None:
    with pytest.raises(ValidationError, match="each stream may stand once only"):
        config(stream(), stream(name="Projects", connection="projects"))


def test_reading_settings_imports_neither_dlt_nor_the_parser_unless_a_query_needs_it() -> None:
    code = (
        "import sys; from shared.connectors.registry import connector_type;"
        " model = connector_type('xledger').config_model;"
        " model.model_validate({'token': 'x', 'streams': [{'name': 'a', 'fields': ['dbId']}]});"
        " print('dlt' in sys.modules, 'graphql' in sys.modules, 'requests' in sys.modules)"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().startswith("False False")
    assert connector_type("xledger").slug == "xledger"
