"""Each wait of a connection to PostgreSQL has a deadline on our side."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest

from shared.connectors.postgres import LineConnection, connect
from shared.egress import lines as lines_module
from shared.egress.lines import Lines
from tests.connectors.databases import Postgres

SHORT = timedelta(milliseconds=100)
SLEEP = "SELECT pg_sleep(60)"


@pytest.fixture
def connection(source: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[LineConnection]:
    monkeypatch.setattr(lines_module, "_LOOK_SECONDS", 0.01)
    lines = Lines()
    with lines.watched(), closing(connect(lines, source.dsn)) as opened:
        with opened.cursor() as cursor:
            # What is given up does not stand in the way of the next test.
            cursor.execute("SET client_connection_check_interval = '100ms'")
        opened.commit()
        yield opened


def _execute(connection: LineConnection) -> None:
    with connection.cursor() as cursor:
        connection.line.patience = SHORT
        cursor.execute(SLEEP)


def _fetch(connection: LineConnection) -> None:
    with connection.cursor("named") as cursor:
        cursor.execute(SLEEP)
        connection.line.patience = SHORT
        cursor.fetchmany(1)


def _commit(connection: LineConnection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE late (id int)")
        cursor.execute(
            "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION sleep()"
        )
        cursor.execute("INSERT INTO late VALUES (1)")
    connection.line.patience = SHORT
    connection.commit()


@pytest.mark.parametrize("wait", [_execute, _fetch, _commit])
def test_a_wait_that_lasts_too_long_says_that_it_timed_out(
    connection: LineConnection, wait: Callable[[LineConnection], None]
) -> None:
    with pytest.raises(psycopg2.OperationalError, match="timed out"):
        wait(connection)
    assert connection.closed


def test_an_error_of_the_server_comes_out_as_it_is(connection: LineConnection) -> None:
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.DivisionByZero):
        cursor.execute("SELECT 1 / 0")
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_connection_that_is_closed_closes_its_line(connection: LineConnection) -> None:
    connection.close()
    assert connection.line.is_closed
    connection.close()
