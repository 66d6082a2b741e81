import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from shared.web.operations import operations_of
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
