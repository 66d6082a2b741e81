import json

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from shared.flow.callers import CHOICE
from shared.web.operations import operations_of
from shared.web.run_exports import COLUMNS, COMPLETE
from tests.web.conftest import Caller

DOCUMENT = "/api/v2/openapi.json"


@pytest.fixture
def document(stranger: Caller) -> dict:
    return stranger.get(DOCUMENT).json


def test_the_document_is_valid_openapi_3_1(document: dict) -> None:
    assert document["openapi"] == "3.1.0"
    validate(document, cls=OpenAPIV31SpecValidator)


def test_the_document_has_every_route_and_nothing_else(document: dict, app: Flask) -> None:
    described = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert sorted(described) == sorted(one.id for one in operations_of(app))


def test_the_document_is_open_and_kept_until_it_changes(stranger: Caller) -> None:
    first = stranger.get(DOCUMENT)
    headers = {"If-None-Match": first.headers["ETag"]}
    again = stranger.client.get(DOCUMENT, headers=headers)
    assert (first.status_code, first.mimetype) == (200, "application/json")
    assert (again.status_code, again.data) == (304, b"")


def test_a_route_tells_its_role_its_examples_and_how_it_refuses(document: dict) -> None:
    trigger = document["paths"]["/api/v2/sync-schedules/{schedule}/trigger"]["post"]
    assert "editor" in trigger["description"]
    assert "`run_active`" in trigger["responses"]["409"]["description"]
    assert "Retry-After" in trigger["responses"]["429"]["headers"]
    create = document["paths"]["/api/v2/connectors"]["post"]
    [example] = create["requestBody"]["content"]["application/json"]["examples"].values()
    assert example["value"]["type"] == "database"


def test_links_lead_to_operations_that_are_there(document: dict) -> None:
    operations = [one for path in document["paths"].values() for one in path.values()]
    known = {one["operationId"]: one for one in operations}
    for operation in operations:
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                names = {one["name"] for one in known[link["operationId"]]["parameters"]}
                assert set(link["parameters"]) <= names


def test_what_a_change_leaves_out_has_no_default(document: dict) -> None:
    changes = document["components"]["schemas"]["ScheduleChangesBody"]
    assert not any("default" in one for one in changes["properties"].values())


def test_an_export_shows_each_of_its_forms_as_it_is_answered(document: dict) -> None:
    export = document["paths"]["/api/v2/runs/export"]["get"]["responses"]["200"]["content"]
    assert list(export) == ["text/csv", "application/jsonl", "application/x-ndjson"]
    names, *_ = export["text/csv"]["example"].splitlines()
    assert tuple(names.split(",")) == COLUMNS[:7]
    assert export["text/csv"]["example"].splitlines()[-1] == f"{COMPLETE},1"
    run, last = map(json.loads, export["application/jsonl"]["example"].splitlines())
    assert set(run) <= set(document["components"]["schemas"]["Run"]["properties"])
    assert last == {"complete": True, "runs": 1}


def test_lists_tell_of_the_link_to_the_next_page(document: dict) -> None:
    listed = document["paths"]["/api/v2/connectors"]["get"]["responses"]["200"]
    assert "Link" in listed["headers"]
    assert "next_cursor" in document["components"]["schemas"]["Connectors"]["properties"]


def test_a_hook_takes_any_body_and_tells_its_headers(document: dict) -> None:
    hook = document["paths"]["/hooks/{hook}"]["post"]
    assert list(hook["requestBody"]["content"]) == ["*/*"]
    names = {one["name"] for one in hook["parameters"] if one["in"] == "header"}
    assert names == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert "413" in hook["responses"]
    assert not {"400", "415"} & set(hook["responses"])


def test_what_is_for_operators_is_not_told_as_open(document: dict) -> None:
    metrics = document["paths"]["/metrics"]["get"]
    assert metrics["security"] == [{"operator_token": []}]
    assert "401" in metrics["responses"]
    assert "operator_token" in document["components"]["securitySchemes"]


def test_a_persons_token_may_come_with_the_workspace_that_it_speaks_for(document: dict) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["workspace"]["name"] == CHOICE
    person = {"bearer_token": []}
    expected = [{"api_key": []}, {**person, "workspace": []}, person]
    assert document["paths"]["/api/v2/connectors"]["get"]["security"] == expected


def test_what_is_tagged_tells_of_304(document: dict) -> None:
    assert "304" in document["paths"]["/api/v2/openapi.json"]["get"]["responses"]
    assert "304" in document["paths"]["/api/v2/connectors"]["get"]["responses"]


def test_every_route_that_needs_the_database_tells_of_its_trouble(
    document: dict, app: Flask
) -> None:
    without = {"is_alive", "is_ready", "read_openapi", "show_docs", "show_docs_asset"}
    described = [one for path in document["paths"].values() for one in path.values()]
    for operation in described:
        told = operation["responses"].get("503", {}).get("description", "")
        assert ("`database_busy`" in told) == (operation["operationId"] not in without), operation
