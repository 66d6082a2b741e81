"""The rules of `infra.local.postgres`."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pg8000.dbapi
import psutil
import pytest

from infra.local.ports import HOST
from infra.local.postgres import SUPERUSER, THROW_AWAY, PostgresServer, start_postgres
from shared.errors import ConfigurationError

_OWNER = """
import os, signal, sys
from pathlib import Path
from infra.local.postgres import THROW_AWAY, start_postgres
server = start_postgres(Path(sys.argv[1]), settings=THROW_AWAY)
os.kill(server._leash._guard.pid, signal.SIGKILL)
print(server.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="syncline-test-") as name:
        yield Path(name)


def _run(server: PostgresServer, statement: str, database: str = "postgres") -> list[list[object]]:
    connection = pg8000.dbapi.connect(SUPERUSER, host=HOST, port=server.port, database=database)
    with closing(connection):
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()] if cursor.description else []


def _make_table(server: PostgresServer) -> None:
    _run(server, "CREATE TABLE kept AS SELECT 7 AS value")


def _kept(server: PostgresServer) -> list[list[object]]:
    return _run(server, "SELECT value FROM kept")


def test_it_listens_on_the_loopback_address_alone(postgres_server: PostgresServer) -> None:
    listening = psutil.Process(postgres_server.process.pid).net_connections("all")

    assert {tuple(found.laddr) for found in listening if found.status == "LISTEN"} == {
        (HOST, postgres_server.port)
    }


def test_its_clock_and_order_of_text_are_the_same_on_every_machine(
    postgres_server: PostgresServer,
) -> None:
    assert _run(postgres_server, "SHOW timezone") == [["UTC"]]
    assert _run(postgres_server, "SELECT 'a' < 'B' COLLATE \"default\"") == [[False]]


def test_a_database_is_copied_from_its_template_and_dropped_under_its_users(
    postgres_server: PostgresServer,
) -> None:
    postgres_server.create_database("mould")
    _run(postgres_server, "CREATE TABLE inherited ()", "mould")
    postgres_server.create_database("cast", template="mould")
    user = pg8000.dbapi.connect(SUPERUSER, host=HOST, port=postgres_server.port, database="cast")
    assert _run(postgres_server, "SELECT to_regclass('inherited')::text", "cast") == [["inherited"]]

    postgres_server.drop_database("cast")
    postgres_server.drop_database("mould")

    assert not postgres_server.has_database("cast")
    with pytest.raises(pg8000.Error):
        user.cursor().execute("SELECT 1")
    user._usock.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_second_start_continues_with_the_data(folder: Path, mode: str) -> None:
    with start_postgres(folder / "data") as server:
        _make_table(server)
        server.stop("fast" if mode == "fast" else "immediate")

    with start_postgres(folder / "data") as server:
        assert _kept(server) == [[7]]


def test_a_pid_file_left_by_a_power_cut_does_not_stop_it(folder: Path) -> None:
    with start_postgres(folder / "data") as server:
        _make_table(server)
        left = (folder / "data" / "postmaster.pid").read_text()
    # After a restart of the machine the number belongs to some other process, such as this one.
    body = left.split("\n", 1)[1]
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{body}")

    with start_postgres(folder / "data") as server:
        assert _kept(server) == [[7]]


def test_a_server_that_lost_its_owner_is_ended_and_started_anew(folder: Path) -> None:
    owner = subprocess.run(
        [sys.executable, "-c", _OWNER, str(folder / "data")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert owner.returncode == -signal.SIGKILL
    orphan = psutil.Process(int(owner.stdout))
    assert orphan.is_running()

    with start_postgres(folder / "data", settings=THROW_AWAY) as server:
        assert server.process.pid != orphan.pid
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_a_folder_in_use_is_refused_naming_the_process(folder: Path) -> None:
    with (
        start_postgres(folder / "data", settings=THROW_AWAY),
        pytest.raises(ConfigurationError, match=f"in use by process {os.getpid()}: stop"),
    ):
        start_postgres(folder / "data")


def test_a_taken_port_is_refused_naming_the_port(folder: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is taken"):
            start_postgres(folder / "data", port, settings=THROW_AWAY)


def test_a_folder_of_another_major_version_is_refused(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("9\n")

    with pytest.raises(ConfigurationError, match="made by PostgreSQL 9 and this is 18"):
        start_postgres(folder / "data")


def test_a_folder_with_something_else_in_it_is_left_alone(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "thesis.txt").write_text("mine")

    with pytest.raises(ConfigurationError, match="not a PostgreSQL data folder"):
        start_postgres(folder / "data")
    assert (folder / "data" / "thesis.txt").read_text() == "mine"


def test_a_refused_setting_is_told_in_the_words_of_the_server(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="unrecognized configuration parameter"):
        start_postgres(folder / "data", settings={**THROW_AWAY, "no_such_setting": "1"})
