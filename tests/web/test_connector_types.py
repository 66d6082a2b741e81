"""What a connector can be of, for forms: each type with the schema of its config."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.connectors.registry import connector_type, slugs
from tests.web.conftest import Caller

ROOT = Path(__file__).resolve().parents[2]
PATH = "/api/v2/connector-types"


def objects_in(schema: object) -> Iterator[dict[str, Any]]:
    """Yield every JSON object of a schema."""
    if isinstance(schema, dict):
        yield schema
    if isinstance(schema, dict | list):
        for one in schema.values() if isinstance(schema, dict) else schema:
            yield from objects_in(one)


def test_all_types_are_listed_by_slug_for_everybody(bob: Caller) -> None:
    answer = bob.get(PATH).json
    assert [one["slug"] for one in answer["items"]] == list(slugs())
    assert answer["next_cursor"] is None
    for one in answer["items"]:
        assert one.keys() == {"slug", "title", "description", "config_schema"}
        assert one["title"]
        assert one["description"].endswith(".")
        assert bob.get(f"{PATH}/{one['slug']}").json == one


def test_a_form_can_be_made_of_the_schema(bob: Caller) -> None:
    schema = bob.get(f"{PATH}/database").json["config_schema"]
    assert schema["type"] == "object"
    assert {"url", "password", "streams"} <= schema["properties"].keys()
    assert set(schema["required"]) <= schema["properties"].keys()


def test_the_secrets_of_a_type_are_marked(bob: Caller) -> None:
    schema = bob.get(f"{PATH}/database").json["config_schema"]
    marked = list(objects_in(schema["properties"]["password"]))
    assert any(one.get("writeOnly") and one.get("format") == "password" for one in marked)
    assert not any(one.get("writeOnly") for one in objects_in(schema["properties"]["url"]))


@pytest.mark.parametrize("slug", slugs())
def test_a_schema_refers_to_nothing_outside_of_it(slug: str) -> None:
    schema = connector_type(slug).config_model.model_json_schema()
    for one in objects_in(schema):
        name = one.get("$ref", "")
        assert not name or name.removeprefix("#/$defs/") in schema["$defs"]


@pytest.mark.parametrize("slug", ["nothing", "Database", "base", "secrets", ".."])
def test_a_type_that_is_not_there_is_not_found(bob: Caller, slug: str) -> None:
    answer = bob.get(f"{PATH}/{slug}")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_a_stranger_reads_no_types(stranger: Caller) -> None:
    assert stranger.get(PATH).status_code == 401
    assert stranger.get(f"{PATH}/database").status_code == 401


def test_nothing_that_only_a_sync_needs_is_imported() -> None:
    program = (
        "import sys; from shared.web.connector_types import _present;"
        " from shared.connectors.registry import slugs;"
        " [_present(slug) for slug in slugs()];"
        " print(*sorted({'dlt', 'grpc', 'psycopg2', 'pandas'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == ""
