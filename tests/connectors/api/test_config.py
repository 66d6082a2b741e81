"""Settings are checked before they are stored, and what is wrong is said with what to write."""

import json
import sys
from subprocess import run
from typing import Any

import pytest
from pydantic import ValidationError

from shared.connectors.api.config import ApiConfig
from tests.connectors.api.readings import PAGINATIONS, stream

CANARY = "canary-7f3a"
URL = "https://api.example.com/v1"


def config(*streams: dict[str, Any], **settings: Any) -> ApiConfig:
    chosen = list(streams) or [stream()]
    return ApiConfig.model_validate({"base_url": URL, "streams": chosen, **settings})


def with_parent(**parent: Any) -> list[dict[str, Any]]:
    defaults = {"stream": "orders", "placeholders": {"order": "id"}}
    child = stream("/orders/{order}/lines", name="lines", parent={**defaults, **parent})
    return [stream(), child]


@pytest.mark.parametrize("path", PAGINATIONS)
def test_every_way_of_paging_can_be_stored_and_read_again(path: str) -> None:
    stored = config(stream(path)).model_dump(mode="json")
    assert ApiConfig.model_validate(stored).model_dump(mode="json") == stored


def test_a_stream_may_page_in_another_way_than_its_connector() -> None:
    one = config(stream(), stream("/pages", name="pages"), pagination={"type": "offset"})
    assert [one.paging_of(each).type for each in one.streams] == ["offset", "page_number"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"base_url": "ftp://api.example.com"}, "has to start with https:// or http://"),
        ({"base_url": "https://u:canary-7f3a@api.example.com"}, "holds a login"),
        ({"base_url": f"{URL}?key=canary-7f3a"}, "leave out [?] and #"),
        ({"base_url": "https://"}, "names no host"),
        ({"auth": {"type": "magic"}}, "does not match any of the expected tags"),
        ({"auth": {"type": "basic", "username": "a:b"}}, "leave out the colon"),
        ({"auth": {"type": "bearer", "token": "canary-7f3a\r\nX: 1"}}, "plain ASCII only"),
        ({"auth": {"type": "bearer", "token": ""}}, "at least 1"),
        ({"auth": {"type": "api_key", "name": "Host", "key": CANARY}}, "the connection's own"),
        ({"auth": {"type": "api_key", "name": "a b", "key": CANARY}}, "letters, digits and dashes"),
        ({"headers": {"Host": "a"}}, "leave out Host: the connection sets such headers itself"),
        ({"headers": {"Metadata-Flavor": "Google"}}, "the connection sets such headers itself"),
        ({"headers": {"Authorization": CANARY}}, "give Authorization as auth"),
        ({"headers": {"X-Api-Key": CANARY}}, "give X-Api-Key as auth"),
        ({"headers": {"X-A": "canary-7f3a\n"}}, "plain ASCII only"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "each header may stand once only: x-a"),
        ({"requests_per_second": 0}, "greater than 0"),
        ({"requests_per_second": "10"}, "valid number"),
        ({"pagination": {"type": "page_number", "size": 3}}, "size_parameter and size belong"),
        (
            {"pagination": {"type": "page_number", "stop_at_short_page": True}},
            "stop_at_short_page needs size_parameter and size",
        ),
        ({"pagination": {"type": "cursor", "path": "a b"}}, "no path that can be read"),
        ({"pagination": {"type": "next_url", "path": "["}}, "no path that can be read"),
        ({"streams": []}, "at least 1 item"),
        ({"streams": [stream(), stream(name="Orders")]}, "each stream may stand once only: orders"),
        ({"secret": CANARY}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence) as failed:
        config(**settings)
    assert CANARY not in str(failed.value)


CURSOR = {"field": "changed", "parameter": "since"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"path": "https://elsewhere.example.com/"}, "give the path behind base_url"),
        ({"path": "//elsewhere.example.com/"}, "give the path behind base_url"),
        ({"path": "/orders?status=any"}, "give parameters in params"),
        ({"path": "/orders/../admin"}, "leave out . and .. as parts"),
        ({"path": "/orders/{id"}, "close every placeholder"),
        ({"path": "/orders/{id}"}, "nothing fills {id}"),
        ({"params": {"order": "{id}"}}, "nothing fills {id}"),
        ({"record_path": "data["}, "no path that can be read"),
        ({"primary_key": []}, "at least 1 item"),
        ({"primary_key": ["id", "id"]}, "each field may stand once only: id"),
        ({"columns": ["name"]}, "columns leaves out the primary key: add id"),
        ({"sync_mode": "full_refresh", "cursor": CURSOR}, "leave out cursor"),
        ({"parameters_in": "body"}, "needs a body"),
        ({"cursor": {**CURSOR, "format": "as_is", "look_back_seconds": 1}}, "format of times"),
        ({"cursor": {**CURSOR, "format": "as_is", "end_parameter": "to"}}, "format of times"),
        ({"cursor": CURSOR, "params": {"since": "1"}}, "the parameter since is set more than once"),
        ({"params": {"page": "1"}, "pagination": {"type": "page_number"}}, "the parameter page is"),
    ],
)
def test_a_stream_that_cannot_be_read_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        config(stream(**settings))


@pytest.mark.parametrize(
    ("streams", "sentence"),
    [
        (with_parent(stream="shops"), "there is no stream shops to be its parent"),
        (with_parent(stream="lines"), "its parent lines has a parent itself"),
        (with_parent(placeholders={"order": "id", "x": "y"}), "neither path nor params have {x}"),
        (with_parent(placeholders={"x": "y"}), "nothing fills {order}"),
    ],
)
def test_a_parent_has_to_be_there_and_to_fill_the_path(
    streams: list[dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        config(*streams)


def test_a_key_in_the_query_clashes_with_a_parameter_of_its_name() -> None:
    auth = {"type": "api_key", "place": "query", "name": "key", "key": CANARY}
    with pytest.raises(ValidationError, match="the parameter key is set more than once"):
        config(stream(params={"key": "1"}), auth=auth)


def test_the_schema_is_one_that_a_form_can_be_made_of() -> None:
    schema = ApiConfig.model_json_schema(mode="validation")
    text = json.dumps(schema)
    assert schema["title"] == "REST API"
    assert schema["$defs"]["BearerAuth"]["properties"]["token"]["writeOnly"] is True
    assert schema["properties"]["auth"]["discriminator"]["propertyName"] == "type"
    assert "description" in schema["properties"]["base_url"]
    assert text.count('"discriminator"') == 3


def test_the_cursors_of_a_stored_config_are_known_by_stream() -> None:
    plain = config(stream(cursor=CURSOR), stream(name="whole")).model_dump(mode="json")
    assert ApiConfig.cursors_of(plain) == {"orders": "changed", "whole": None}


def test_importing_the_type_imports_neither_dlt_nor_an_http_client() -> None:
    code = (
        "import sys; from shared.connectors.registry import connector_type;"
        " connector_type('api').config_model.model_json_schema();"
        " print([name for name in ('dlt', 'requests', 'jsonpath_ng') if name in sys.modules])"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
