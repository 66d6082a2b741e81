"""Connector types are found by slug without paying for what only a sync needs."""

import subprocess
import sys
from importlib import import_module
from inspect import signature

import pytest

from shared.connectors.registry import connector_type, slugs
from shared.errors import NotFoundError


def test_every_folder_beside_the_registry_is_a_type() -> None:
    assert "database" in slugs()


def test_a_type_carries_the_name_of_its_folder() -> None:
    assert [connector_type(slug).slug for slug in slugs()] == list(slugs())


@pytest.mark.parametrize("slug", slugs())
def test_every_type_has_what_its_folder_is_asked_for(slug: str) -> None:
    look = import_module(f"shared.connectors.{slug}.look")
    sync = import_module(f"shared.connectors.{slug}.sync")

    for function, parameters in (
        (look.check, ["access"]),
        (look.offered_streams, ["access"]),
        (sync.sync, ["request", "confirm_lease"]),
    ):
        assert list(signature(function).parameters) == parameters


@pytest.mark.parametrize("slug", ["", "nosuch", "registry", "..", "database.config"])
def test_an_unknown_slug_is_not_found(slug: str) -> None:
    with pytest.raises(NotFoundError, match="There is no connector type"):
        connector_type(slug)


def test_listing_types_and_reading_their_schemas_imports_neither_dlt_nor_a_driver() -> None:
    program = (
        "import sys\n"
        "from shared.connectors.registry import connector_type, slugs\n"
        "[connector_type(slug).config_model.model_json_schema() for slug in slugs()]\n"
        "print([m for m in ('dlt', 'psycopg2', 'pymysql', 'pandas') if m in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "[]"
