"""Databases for connector tests: a source and a dataset of their own for each test."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pymysql
import pytest

from infra.local.postgres import HOST, SUPERUSER, PostgresServer
from tests.connectors.databases import PASSWORD, MariaDb, Postgres
from tests.connectors.mariadb import INSTALL_HINT, find_mariadbd, run_mariadb

# Emptying a database is many times faster than making and dropping one.
_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
END $$
"""


def _new_database(server: PostgresServer, name: str) -> Postgres:
    server.create_database(name)
    url = f"postgresql://{SUPERUSER}@{HOST}:{server.port}/{name}"
    return Postgres(server.libpq_url(name), url)


@pytest.fixture(scope="session")
def source_of_session(postgres_server: PostgresServer) -> Postgres:
    """Return the database that `source` empties for each test."""
    return _new_database(postgres_server, "connector_source")


@pytest.fixture(scope="session")
def dataset_of_session(postgres_server: PostgresServer) -> Postgres:
    """Return the database that `dataset` empties for each test."""
    return _new_database(postgres_server, "connector_dataset")


@pytest.fixture
def source(source_of_session: Postgres) -> Postgres:
    """Return an empty PostgreSQL database to read from."""
    source_of_session.execute(_EMPTY)
    return source_of_session


@pytest.fixture
def dataset(dataset_of_session: Postgres) -> Postgres:
    """Return an empty PostgreSQL database to load into."""
    dataset_of_session.execute(_EMPTY)
    return dataset_of_session


@pytest.fixture(scope="session")
def mariadb_port() -> Iterator[int]:
    """Return the port of a MariaDB server; skip, or fail if it is required, without one."""
    program = find_mariadbd()
    if program is None:
        if os.environ.get("SYNCLINE_REQUIRE_MARIADB") == "1":
            pytest.fail(INSTALL_HINT)
        pytest.skip(INSTALL_HINT)
    with (
        tempfile.TemporaryDirectory(prefix="syncline-mariadb-") as folder,
        run_mariadb(program, Path(folder)) as port,
    ):
        yield port


@pytest.fixture
def mariadb(mariadb_port: int) -> Iterator[MariaDb]:
    """Return an empty MariaDB database to read from."""
    name = f"connector_{uuid4().hex}"
    connection = pymysql.connect(
        host="127.0.0.1",
        port=mariadb_port,
        user="reader",
        password=PASSWORD,
        autocommit=True,
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield MariaDb(mariadb_port, name)
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a page hold three rows, and return that number."""
    from shared.connectors.database import pages  # noqa: PLC0415 (dlt is slow to import)

    monkeypatch.setattr(pages, "PAGE_ROWS", 3)
    return 3
