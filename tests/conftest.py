"""What tests share: one throw-away PostgreSQL a worker, and a fresh database a test."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from infra.local.logins import login_of, make_logins
from infra.local.postgres import THROW_AWAY, PostgresServer, start_postgres

# How fast an example is says something about the machine, not about the rule.
settings.register_profile("syncline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("syncline")

_TEMPLATE = "syncline_template"
_MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of a random name is made in it)
_ROOM = 4 << 30

DatabaseUrlOf = Callable[[str], str]
"""Gives the URL by which a function, such as `api`, reaches this test's database."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return a running server of this test process; its data is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="syncline-test-", dir=_folder_in_memory()) as folder,
        start_postgres(Path(folder) / "data", settings=THROW_AWAY) as server,
    ):
        yield server


def _folder_in_memory() -> Path | None:
    """Return where files cost no disk, if there is such a place and it has room.

    A database for each test is a copy of hundreds of files: on a disk that takes several times as
    long.
    """
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    return _MEMORY if has_room and os.access(_MEMORY, os.W_OK) else None


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """Return the name of a database with the newest schema, to be copied and never connected to."""
    from shared.store.migrate import upgrade  # noqa: PLC0415 (tests without a schema go without)

    postgres_server.create_database(_TEMPLATE)
    upgrade(postgres_server.url(_TEMPLATE))
    make_logins(postgres_server)
    return _TEMPLATE


@pytest.fixture
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Return the URL of a database that only this test uses, with the newest schema."""
    name = f"test_{uuid4().hex}"
    postgres_server.create_database(name, template=template_database)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def database_url_of(postgres_server: PostgresServer, database_url: str) -> DatabaseUrlOf:
    """Return how to reach this test's database with the login of a function."""
    name = database_url.rpartition("/")[2]
    return lambda function: postgres_server.url(name, login_of(function))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return an engine on this test's database, of a superuser: what a test sets up and looks at.

    It says nothing about what a function may do; that needs the login of the function.
    """
    from shared.store.engine import create_engine_for  # noqa: PLC0415 (as above)

    engine = create_engine_for(database_url)
    yield engine
    engine.dispose()
