"""Databases that tests of the store share: nothing is left in them."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine

from infra.local.logins import login_of
from infra.local.postgres import SUPERUSER, PostgresServer
from shared.store.engine import create_engine_for
from tests.conftest import DatabaseUrlOf
from tests.store.crowd import crowd

__all__ = ["crowd"]


@pytest.fixture(scope="module")
def kept_database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Return the name of a database of all tests of a file."""
    name = f"kept_{uuid4().hex}"
    postgres_server.create_database(name, template=template_database)
    yield name
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def kept_url_of(postgres_server: PostgresServer, kept_database: str) -> DatabaseUrlOf:
    """Return how to reach it with the login of a function."""
    return lambda function: postgres_server.url(kept_database, login_of(function))


@pytest.fixture(scope="module")
def kept_engine(postgres_server: PostgresServer, kept_database: str) -> Iterator[Engine]:
    """Return an engine on it, of a superuser."""
    engine = create_engine_for(postgres_server.url(kept_database, SUPERUSER))
    yield engine
    engine.dispose()


@pytest.fixture
def undone(kept_engine: Engine) -> Iterator[Connection]:
    """Return a connection to it in a transaction of which nothing stays."""
    with kept_engine.connect() as connection:
        yield connection
        connection.rollback()
