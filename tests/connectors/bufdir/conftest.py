from collections.abc import Iterator

import pytest

from tests.connectors.bufdir.office import Office, open_office
from tests.connectors.bufdir.reporter import Reporter, config_of, fill
from tests.connectors.databases import Postgres


@pytest.fixture
def office() -> Iterator[Office]:
    """Return an office that takes reports, and remembers their keys unless it is told not to."""
    with open_office() as office:
        yield office


@pytest.fixture
def visits(dataset: Postgres) -> Postgres:
    """Return the datasets' database with visits in it."""
    fill(dataset)
    return dataset


@pytest.fixture
def reporter(visits: Postgres, office: Office) -> Reporter:
    """Return a connector whose office counts a repeat with the same key once."""
    return Reporter(visits, config_of(office))


@pytest.fixture
def doubtful(visits: Postgres, office: Office) -> Reporter:
    """Return a connector whose office counts every repeat."""
    office.remembers = False
    return Reporter(visits, config_of(office, endpoint={"honours_idempotency_key": False}))
