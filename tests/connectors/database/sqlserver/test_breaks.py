"""A query to SQL Server that breaks, stalls or is not wanted any more ends, on both sides."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytds
import pytest

from shared.connectors.database import sqlserver, sqlserver_reader
from shared.connectors.database.sqlserver import LineConnection, connect
from shared.connectors.database.tls import Tls
from shared.connectors.failures import source_failure
from shared.domain.fault import Fault
from shared.egress import lines as lines_of_egress
from shared.egress.lines import Lines
from shared.errors import PermanentError, SynclineError, TransientError
from shared.logs import configure_logging
from tests.connectors.database.sqlserver.server.running import SqlServer
from tests.connectors.databases import PASSWORD
from tests.connectors.gates import wait_until
from tests.loopback import LOOPBACK

ALL = "SELECT id, name FROM orders"


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def connection(sql_server: SqlServer, lines: Lines) -> Iterator[LineConnection]:
    sql_server.execute("CREATE TABLE orders (id int, name nvarchar(300))")
    sql_server.store.duck("INSERT INTO orders SELECT range, repeat('x', 200) FROM range(40000)")
    with closing(_connected(sql_server, lines)) as opened:
        yield opened


def _connected(server: SqlServer, lines: Lines) -> LineConnection:
    account = {"user": "reader", "password": PASSWORD, "database": "shop"}
    return connect(LOOPBACK, lines, Tls(), host="127.0.0.1", port=server.port, **account)


def _failure(connection: LineConnection, query: str = ALL) -> SynclineError:
    with pytest.raises(Exception) as raised:  # noqa: PT011 (whatever it is, it is translated)
        connection.cursor().execute(query).fetchall()
    return source_failure(raised.value)


def test_a_connection_that_is_cut_among_the_rows_is_a_passing_trouble(
    sql_server: SqlServer, connection: LineConnection
) -> None:
    sql_server.faults.cut_after_rows = 20_000
    failure = _failure(connection)
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.UNAVAILABLE
    with pytest.raises(pytds.InterfaceError):
        connection.cursor()


def test_a_packet_of_a_length_that_none_has_is_a_passing_trouble(
    sql_server: SqlServer, connection: LineConnection
) -> None:
    sql_server.faults.garbage_after_rows = 20_000
    failure = _failure(connection)
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.UNAVAILABLE
    assert connection.is_broken


@pytest.mark.parametrize(
    ("number", "severity", "kind", "fault"),
    [
        (208, 16, PermanentError, Fault.NOT_FOUND),
        (207, 16, PermanentError, Fault.SCHEMA),
        (229, 14, PermanentError, Fault.PERMISSION),
        (8134, 16, PermanentError, Fault.SCHEMA),
        (50_000, 16, PermanentError, Fault.SCHEMA),
        (1205, 13, TransientError, Fault.UNAVAILABLE),
        (1222, 16, TransientError, Fault.UNAVAILABLE),
        (10928, 16, TransientError, Fault.UNAVAILABLE),
        (40501, 20, TransientError, Fault.UNAVAILABLE),
        (823, 24, TransientError, Fault.UNAVAILABLE),
    ],
)
def test_what_a_query_is_refused_for_is_told_apart_and_the_next_one_is_answered(
    sql_server: SqlServer,
    connection: LineConnection,
    number: int,
    severity: int,
    kind: type,
    fault: Fault,
) -> None:
    sql_server.faults.errors = {"name FROM": (number, severity)}
    failure = _failure(connection)
    assert (type(failure), failure.fault) == (kind, fault)  # pyright: ignore[reportAttributeAccessIssue]
    assert str(number) in str(failure)
    assert "no one else may see" not in str(failure)
    assert connection.cursor().execute("SELECT 7").fetchone() == (7,)


def test_a_row_that_is_larger_than_any_is_told_and_not_read_to_its_end(
    sql_server: SqlServer, connection: LineConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlserver_reader, "MOST_ROW_BYTES", 1_000_000)
    assert len(connection.cursor().execute(ALL).fetchall()) == 40_000
    sql_server.execute("CREATE TABLE documents (id int, page nvarchar(max))")
    sql_server.store.duck("INSERT INTO documents VALUES (1, repeat('x', 600000))")
    failure = _failure(connection, "SELECT id, page FROM documents")
    assert isinstance(failure, PermanentError)
    assert failure.fault == Fault.SCHEMA
    assert "has a row of more than 64 MiB: name the columns" in str(failure)
    assert connection.is_broken


def test_messages_without_an_end_are_not_kept_and_not_read_to_their_end(
    sql_server: SqlServer, connection: LineConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlserver_reader, "MOST_ROW_BYTES", 1_000_000)
    sql_server.faults.messages = 100
    cursor = connection.cursor().execute("SELECT 7")
    assert cursor.fetchall() == [(7,)]
    assert cursor.messages == []
    sql_server.faults.messages = 1_000
    failure = _failure(connection, "SELECT 7")
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.UNAVAILABLE


def test_a_server_that_stalls_is_given_up_and_asked_to_stop(
    sql_server: SqlServer,
    connection: LineConnection,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines_of_egress, "_LOOK_SECONDS", 0.05)
    sql_server.faults.stalls = "name FROM"
    connection.line.patience = timedelta(seconds=0.3)
    with lines.watched():
        failure = _failure(connection)
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.TIMEOUT
    wait_until(lambda: sql_server.open == 0)


def test_a_wait_has_a_deadline_of_its_own_if_nobody_watches(
    sql_server: SqlServer, connection: LineConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlserver, "ANSWER", timedelta(seconds=0.3))
    sql_server.faults.stalls = "name FROM"
    connection.wait_for_answers()
    failure = _failure(connection)
    assert failure.fault == Fault.TIMEOUT  # pyright: ignore[reportAttributeAccessIssue]
    wait_until(lambda: sql_server.attentions == 1)


def test_a_run_that_is_cancelled_ends_its_query_at_the_server(
    sql_server: SqlServer, connection: LineConnection, lines: Lines
) -> None:
    sql_server.faults.stalls = "name FROM"

    def cancel() -> None:
        wait_until(lambda: ALL in sql_server.statements)
        lines.cut()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    failure = _failure(connection)
    canceller.join()
    assert isinstance(failure, TransientError)
    wait_until(lambda: sql_server.open == 0)


def test_a_result_that_is_left_unread_is_stopped_with_the_connection(
    sql_server: SqlServer, connection: LineConnection
) -> None:
    assert len(connection.cursor().execute(ALL).fetchmany(3)) == 3
    connection.close()
    wait_until(lambda: sql_server.open == 0)
    assert sql_server.sent < 40_000 * 400 / 2


def test_a_result_that_is_left_for_another_query_is_stopped(
    sql_server: SqlServer, connection: LineConnection
) -> None:
    assert len(connection.cursor().execute(ALL).fetchmany(3)) == 3
    assert connection.cursor().execute("SELECT 7").fetchone() == (7,)
    assert sql_server.attentions == 1


def test_a_connection_that_is_closed_twice_is_closed(connection: LineConnection) -> None:
    connection.close()
    connection.close()
    with pytest.raises(pytds.InterfaceError):
        connection.cursor()


def test_nothing_of_a_statement_or_a_login_is_logged_as_a_deployment_logs(
    sql_server: SqlServer, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    root, ours = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    try:
        configure_logging("text", service="test", project="test")
        root.handlers[:] = [*ours]
        _connected(sql_server, lines).close()
    finally:
        root.handlers[:] = ours
        root.setLevel(level)
    assert [record for record in caplog.records if record.name.startswith("pytds")] == []
