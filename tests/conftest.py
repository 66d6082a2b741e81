"""What tests share: one throw-away PostgreSQL a worker, and a fresh database a test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from infra.local.postgres import THROW_AWAY, PostgresServer, start_postgres

# How fast an example is says something about the machine, not about the rule.
settings.register_profile("syncline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("syncline")

_TEMPLATE = "syncline_template"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return a running server of this test process; its data is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="syncline-test-") as folder,
        start_postgres(Path(folder) / "data", settings=THROW_AWAY) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """Return the name of a database with the newest schema, to be copied and never connected to."""
    from shared.store.migrate import upgrade  # noqa: PLC0415 (tests without a schema go without)

    postgres_server.create_database(_TEMPLATE)
    upgrade(postgres_server.url(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Return the URL of a database that only this test uses, with the newest schema."""
    name = f"test_{uuid4().hex}"
    postgres_server.create_database(name, template=template_database)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return an engine on this test's database."""
    from shared.store.engine import create_engine_for  # noqa: PLC0415 (as above)

    engine = create_engine_for(database_url)
    yield engine
    engine.dispose()
