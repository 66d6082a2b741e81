"""A canary in every secret field: it stays where it was put, whatever happens to its connector."""

import base64
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.ports import free_port
from shared.wiring import Wiring
from tests.isolation.clerk import Clerk
from tests.isolation.echoing import echoing_database, echoing_http
from tests.isolation.leaks import Sinks, forms_of, found_in
from tests.isolation.plants import KINDS, Plant, canary, plants, secret_places
from tests.isolation.world import World


@pytest.fixture(scope="module")
def http() -> Iterator[str]:
    with echoing_http() as address:
        yield address


@pytest.fixture(scope="module")
def database_address() -> Iterator[str]:
    with echoing_database() as address:
        yield address


@pytest.fixture(scope="module")
def dataset(world: World) -> str:
    return world.house.make("connector")["connector"]


def test_every_secret_field_of_every_connector_type_has_a_canary() -> None:
    somewhere = {"http": "http://localhost", "database": "postgresql://a@b/c"}
    kinds = [
        plants(kind, **somewhere, dataset="6b8b2b7e-0000-4000-8000-000000000000") for kind in KINDS
    ]
    filled = set[tuple[str, str, str]]().union(*(one.places() for one in kinds))
    assert filled == secret_places(), "tests/isolation/plants.py lacks a connector"


@pytest.mark.parametrize("shift", range(3))
def test_a_secret_is_found_in_whatever_form_it_is_written(shift: int) -> None:
    secret = canary()
    inside = base64.b64encode(b"user:"[: shift + 2] + secret.encode() + b"!").decode()
    for text in (f"a {secret}.", inside, secret.encode().hex()):
        assert found_in([text], [secret])
    assert not found_in(["canary"], [secret])
    assert all(len(form) > 20 for form in forms_of(secret))


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_of_a_connector_stays_sealed_whatever_becomes_of_it(
    world: World,
    worker: Wiring,
    sinks: Sinks,
    http: str,
    database_address: str,
    dataset: str,
    kind: str,
) -> None:
    nowhere = free_port()
    gone = f"http://127.0.0.1:{nowhere}", f"postgresql://reader@127.0.0.1:{nowhere}/shop"
    refused = plants(kind, http=http, database=database_address, dataset=dataset)
    lost = plants(kind, http=gone[0], database=gone[1], dataset=dataset)
    clerk = Clerk(world, worker, sinks)

    connector = clerk.sends("POST", "connectors", named(refused))["id"]
    clerk.sends("POST", "connectors", mistaken(refused))
    clerk.syncs(connector)
    clerk.sends("PATCH", f"connectors/{connector}", {"config": dict(lost.config)})
    clerk.sends("PATCH", f"connectors/{connector}", {"config": mistaken(lost)["config"]})
    clerk.syncs(connector)
    clerk.reads_everything()

    assert sinks.leaks_of(refused.secrets | lost.secrets) == {}


@pytest.mark.parametrize(
    ("library", "kind"),
    [
        ("urllib3", "api key in the query"),
        ("sqlalchemy.pool", "database password"),
        ("botocore", "files of AWS"),
    ],
)
def test_a_library_would_tell_secrets_if_its_debugging_were_not_kept_from_the_log(
    world: World,
    worker: Wiring,
    sinks: Sinks,
    http: str,
    database_address: str,
    dataset: str,
    library: str,
    kind: str,
) -> None:
    logging.getLogger(library).setLevel(logging.DEBUG)
    plant = plants(kind, http=http, database=database_address, dataset=dataset)
    clerk = Clerk(world, worker, sinks)
    clerk.syncs(clerk.sends("POST", "connectors", named(plant))["id"])
    assert set(sinks.leaks_of(plant.secrets)) == {"logs"}


def named(plant: Plant) -> dict[str, Any]:
    return {"type": plant.type, "name": canary(), "config": dict(plant.config)}


def mistaken(plant: Plant) -> dict[str, Any]:
    """Return a body with the secrets in places where nothing expects them."""
    [secret, *_] = plant.secrets
    config = {**plant.config, "streams": secret, "note": [secret]}
    return {"type": plant.type, "name": "mistaken", "config": config}
