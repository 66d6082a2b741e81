"""A throw-away PostgreSQL that crashes and comes back, and ways to end its backends."""

import os
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from types import MappingProxyType
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)

from infra.local.logins import make_logins
from infra.local.postgres import PostgresServer, start_postgres
from shared.store.migrate import upgrade

# A commit that was answered outlives the process, as in production; a power cut nobody tries.
_SETTINGS = MappingProxyType({"fsync": "off", "full_page_writes": "off", "max_connections": "60"})
_TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid()
"""
_TEMPLATE = "fault_template"
_RECOVERY_SECONDS = 30.0
_NAP_SECONDS = 0.01


class FragilePostgres:
    """A server whose port and data stay the same however often it crashes."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server

    def restart(self) -> None:
        """Do what `pg_ctl restart -m immediate` does: crash, and recover."""
        self.server.stop("immediate")
        self.server = start_postgres(self.server.data_dir, self.server.port, _SETTINGS)

    def terminate_backends(self, database: str) -> int:
        """End every connection to a database; return how many there were."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(_TERMINATE, (database,))
            [(count,)] = cursor.fetchall()
        return count

    def kill_backend(self) -> None:
        """SIGKILL a backend, upon which the server ends all of them and recovers."""
        with closing(self._connect()) as witness:
            with closing(self._connect()) as victim:
                os.kill(victim.info.backend_pid, signal.SIGKILL)
                self._wait_until(lambda: not _answers(witness))
            self._wait_until(self._accepts)

    @contextmanager
    def filled(self) -> Generator[None, None, None]:
        """Leave no room for another connection."""
        with ExitStack() as connections:
            with suppress(psycopg2.OperationalError):
                while True:
                    connections.enter_context(closing(self._connect()))
            yield
        self._wait_until(self._accepts)

    def _accepts(self) -> bool:
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        until = monotonic() + _RECOVERY_SECONDS
        while not condition():
            assert monotonic() < until, self.server.last_words()
            sleep(_NAP_SECONDS)

    def _connect(self) -> Connection:
        connection = psycopg2.connect(self.server.libpq_url("postgres"), connect_timeout=10)
        connection.autocommit = True
        return connection


def _answers(connection: Connection) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


@pytest.fixture(scope="module")
def fragile() -> Iterator[FragilePostgres]:
    """Return a server of a module's own; its newest incarnation ends with the module."""
    # Not in a folder of pytest's: it closes the way to those for the server's unprivileged user
    # whenever another pytest starts.
    with tempfile.TemporaryDirectory(prefix="syncline-faults-") as folder:
        fragile = FragilePostgres(start_postgres(Path(folder) / "data", settings=_SETTINGS))
        try:
            fragile.server.create_database(_TEMPLATE)
            upgrade(fragile.server.url(_TEMPLATE))
            make_logins(fragile.server)
            yield fragile
        finally:
            fragile.server.stop("immediate")


@pytest.fixture
def database(fragile: FragilePostgres) -> Iterator[str]:
    """Return the name of a migrated database on the fragile server that only this test uses."""
    name = f"world_{uuid4().hex}"
    fragile.server.create_database(name, template=_TEMPLATE)
    yield name
    fragile.server.drop_database(name)
