"""The rules of `infra.local.compare`."""

from collections.abc import Iterator
from contextlib import closing

import pg8000.dbapi
import pytest

from infra.local.compare import Comparison, compare_tables
from infra.local.ports import HOST
from infra.local.postgres import SUPERUSER, PostgresServer

_COPY = "CREATE SCHEMA copy; CREATE TABLE copy.item (id bigint, name text, _loaded text)"


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    for name in ("left", "right"):
        postgres_server.create_database(name)
    _run(postgres_server, "left", "CREATE TABLE item (id bigint, name text)")
    _run(postgres_server, "left", "INSERT INTO item VALUES (1, 'a'), (2, NULL)")
    for statement in _COPY.split(";"):
        _run(postgres_server, "right", statement)
    _run(postgres_server, "right", "INSERT INTO copy.item VALUES (1, 'a', 'x'), (2, NULL, 'x')")
    yield postgres_server
    for name in ("left", "right"):
        postgres_server.drop_database(name)


def _run(server: PostgresServer, database: str, statement: str) -> None:
    connection = pg8000.dbapi.connect(SUPERUSER, host=HOST, port=server.port, database=database)
    with closing(connection):
        connection.autocommit = True
        connection.cursor().execute(statement)


def _compare(server: PostgresServer) -> Comparison:
    return compare_tables(server, ("left", "public", "item"), ("right", "copy"))


def test_equal_rows_are_equal_whatever_columns_the_loader_adds(server: PostgresServer) -> None:
    found = _compare(server)

    assert found.is_equal
    assert str(found) == (
        "source 2 rows, dataset 2 rows, all 2 columns compared: 0 missing or different, 0 extra"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("DELETE FROM copy.item WHERE id = 1", Comparison(2, 2, 1, 1, 0)),
        ("INSERT INTO copy.item VALUES (3, 'c', 'x')", Comparison(2, 2, 3, 0, 1)),
        ("INSERT INTO copy.item VALUES (1, 'a', 'y')", Comparison(2, 2, 3, 0, 1)),
        ("UPDATE copy.item SET name = 'b' WHERE id = 2", Comparison(2, 2, 2, 1, 1)),
    ],
)
def test_a_lost_an_extra_a_double_and_a_changed_row_are_found(
    server: PostgresServer, change: str, expected: Comparison
) -> None:
    _run(server, "right", change)

    found = _compare(server)

    assert found == expected
    assert not found.is_equal


def test_two_empty_tables_are_no_proof(server: PostgresServer) -> None:
    _run(server, "left", "DELETE FROM item")
    _run(server, "right", "DELETE FROM copy.item")

    assert not _compare(server).is_equal


def test_a_comparison_leaves_nothing_behind(server: PostgresServer) -> None:
    assert _compare(server) == _compare(server)
