"""A connection to MySQL or MariaDB has a short deadline until it is set up, and a line."""

from collections.abc import Iterator
from contextlib import closing

import pymysql
import pytest

from shared.connectors.database.mysql import LineConnection
from shared.connectors.database.tls import Tls, TlsMode
from shared.egress.lines import Lines
from tests.connectors.databases import PASSWORD, MariaDb
from tests.loopback import LOOPBACK

PLAIN = Tls(TlsMode.DISABLE)


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def connection(mariadb: MariaDb, lines: Lines) -> Iterator[LineConnection]:
    opened = LineConnection(
        LOOPBACK,
        lines,
        PLAIN,
        host="127.0.0.1",
        port=mariadb.port,
        user="reader",
        password=PASSWORD,
    )
    with closing(opened.line):
        yield opened
        if opened.open:
            opened.close()


def test_a_cut_ends_the_connection(connection: LineConnection, lines: Lines) -> None:
    lines.cut()
    with connection.cursor() as cursor, pytest.raises(pymysql.OperationalError):
        cursor.execute("SELECT 1")


def test_statements_get_more_time_than_the_connection(connection: LineConnection) -> None:
    before = connection._read_timeout
    connection.wait_for_answers()
    assert before < connection._read_timeout


def test_a_connection_that_is_closed_closes_its_line(connection: LineConnection) -> None:
    connection.close()
    assert connection.line.is_closed
    with pytest.raises(pymysql.Error):
        connection.close()


def test_a_server_that_refuses_the_login_leaves_no_line(mariadb: MariaDb, lines: Lines) -> None:
    with pytest.raises(pymysql.OperationalError):
        LineConnection(
            LOOPBACK,
            lines,
            PLAIN,
            host="127.0.0.1",
            port=mariadb.port,
            user="nobody",
            password="wrong",
        )
    lines.cut()


def test_a_connection_is_not_made_again_to_an_address_that_nobody_checked(
    connection: LineConnection,
) -> None:
    connection.close()
    with pytest.raises(pymysql.InterfaceError):
        connection.connect()
