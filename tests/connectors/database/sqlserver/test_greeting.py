"""Whoever answers the greeting of a client is believed no more than it must be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from shared.connectors.database import sqlserver, tls, tls_drivers
from shared.connectors.database.sqlserver import LineConnection, connect
from shared.connectors.database.tls import Tls, TlsMode
from shared.connectors.failures import source_failure
from shared.domain.fault import Fault
from shared.egress import lines as lines_of_egress
from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.certificates import Authority, server_context
from tests.connectors.database.sqlserver.server.running import SqlServer, running_sql_server
from tests.connectors.databases import PASSWORD
from tests.loopback import LOOPBACK

ACCOUNT = {"user": "reader", "password": PASSWORD, "database": "shop"}
ONE_HOST = Guard(AddressPolicy((IPv4Network("127.0.0.1/32"),)))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Return lines that are watched, and cut after half a second without a greeting."""
    monkeypatch.setattr(sqlserver, "CONNECT", timedelta(seconds=0.5))
    monkeypatch.setattr(lines_of_egress, "_LOOK_SECONDS", 0.05)
    found = Lines()
    with found.watched():
        yield found


@pytest.fixture
def unhurried() -> Lines:
    """Return lines for what is answered, however busy the machine is."""
    return Lines()


def _connect(
    port: int, lines: Lines, asked: Tls | None = None, guard: Guard = LOOPBACK
) -> LineConnection:
    return connect(guard, lines, asked or Tls(), host="127.0.0.1", port=port, **ACCOUNT)


def _told(port: int, lines: Lines, guard: Guard = LOOPBACK) -> SynclineError:
    with pytest.raises(Exception) as raised:  # noqa: PT011 (whatever it is, it is translated)
        _connect(port, lines, guard=guard)
    failure = source_failure(raised.value)
    assert PASSWORD not in str(failure)
    return failure


@contextmanager
def _saying(greeting: bytes | None) -> Iterator[int]:
    """Listen, say this to the one who comes, and nothing more; yield the port."""
    over = threading.Event()

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            if greeting is not None:
                client.sendall(greeting)
            over.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x04\x01\x00\x00\x00\x00\x00\x00",
        b"\x04\x01\xff\xff\x00\x00\x00\x00",
        b"\x04\x01\x00\x0e\x00\x00\x01\x00\xff\xff\xff\xff\xff\xff",
    ],
)
def test_what_does_not_speak_the_protocol_is_told(lines: Lines, greeting: bytes) -> None:
    with _saying(greeting) as port:
        failure = _told(port, lines)
    assert isinstance(failure, PermanentError)
    assert "does not speak the protocol of SQL Server: check host and port" in str(failure)


def test_who_says_nothing_is_given_up(lines: Lines) -> None:
    with _saying(None) as port:
        failure = _told(port, lines)
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.TIMEOUT


def test_a_greeting_that_drips_is_given_up_as_a_whole(lines: Lines) -> None:
    with running_sql_server() as server:
        server.faults.drips = True
        failure = _told(server.port, lines)
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.TIMEOUT


def test_who_hangs_up_before_the_login_may_be_there_later(
    lines: Lines, sql_server: SqlServer
) -> None:
    sql_server.faults.greeting = b"\x04"
    failure = _told(sql_server.port, lines)
    assert isinstance(failure, TransientError)


def test_a_server_that_sends_on_is_followed_to_where_it_leads(
    unhurried: Lines, sql_server: SqlServer
) -> None:
    with running_sql_server() as behind:
        sql_server.faults.route = ("127.0.0.1", behind.port)
        with closing(_connect(sql_server.port, unhurried)) as connection:
            assert connection.cursor().execute("SELECT 1").fetchone() == (1,)
        assert behind.statements == ["SELECT 1"]


def test_a_server_that_sends_on_leads_to_no_address_that_may_not_be_reached(
    unhurried: Lines, sql_server: SqlServer
) -> None:
    with socket.create_server(("127.0.0.2", 0)) as forbidden:
        forbidden.settimeout(0)
        sql_server.faults.route = ("127.0.0.2", forbidden.getsockname()[1])
        failure = _told(sql_server.port, unhurried, guard=ONE_HOST)
        with pytest.raises(BlockingIOError):
            forbidden.accept()
    assert isinstance(failure, PermanentError)
    assert failure.fault == Fault.ADDRESS_NOT_ALLOWED


def test_a_server_to_which_one_is_sent_on_shows_a_certificate_of_its_own_name(
    unhurried: Lines, sql_server: SqlServer
) -> None:
    authority = Authority()
    asked = Tls(TlsMode.VERIFY_FULL, authority.pem)
    sql_server.context = server_context(authority.of_host("127.0.0.1"))
    with running_sql_server() as behind:
        sql_server.faults.route = ("localhost", behind.port)
        behind.context = server_context(authority.of_host("127.0.0.1"))
        with pytest.raises(PermanentError, match="another host name"):
            _connect(sql_server.port, unhurried, asked)
        assert behind.logins == []
        behind.context = server_context(authority.of_host("localhost"))
        _connect(sql_server.port, unhurried, asked).close()
        assert len(behind.logins) == 1


def test_a_private_server_to_which_a_public_one_sends_is_checked_like_that_one(
    unhurried: Lines, sql_server: SqlServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority()
    public = tmp_path / "public.pem"
    public.write_text(authority.pem)
    monkeypatch.setattr(tls_drivers.certifi, "where", lambda: str(public))
    monkeypatch.setattr(tls, "_PUBLIC", ONE_HOST.policy)
    sql_server.context = server_context(authority.of_host("127.0.0.1"))
    with running_sql_server("127.0.0.2") as behind:
        sql_server.faults.route = ("127.0.0.2", behind.port)
        with pytest.raises(PermanentError, match="certificate that cannot be trusted"):
            _connect(sql_server.port, unhurried)
        assert (len(sql_server.logins), behind.logins) == (1, [])
        behind.context = server_context(authority.of_host("127.0.0.2"))
        _connect(sql_server.port, unhurried).close()
        assert len(behind.logins) == 1


def test_a_server_to_which_one_is_sent_on_gets_no_password_without_encryption(
    unhurried: Lines, sql_server: SqlServer
) -> None:
    with running_sql_server() as behind:
        behind.context = None
        sql_server.faults.route = ("127.0.0.1", behind.port)
        failure = _told(sql_server.port, unhurried)
        assert behind.logins == []
    assert "offers no encrypted connection" in str(failure)


@pytest.mark.parametrize("size", [16_001, 300_000_000])
def test_a_server_that_wants_larger_packets_than_it_was_asked_for_is_left(
    unhurried: Lines, sql_server: SqlServer, size: int
) -> None:
    sql_server.faults.packet_size = size
    failure = _told(sql_server.port, unhurried)
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.UNAVAILABLE


def test_servers_that_send_on_in_a_circle_are_left(unhurried: Lines, sql_server: SqlServer) -> None:
    sql_server.faults.route = ("127.0.0.1", sql_server.port)
    failure = _told(sql_server.port, unhurried)
    assert isinstance(failure, PermanentError)
    assert "without an end" in str(failure)
    assert len(sql_server.logins) == 4


@pytest.mark.parametrize("host", ["169.254.169.254", "10.1.2.3"])
def test_a_source_is_reached_by_checked_addresses_alone(host: str) -> None:
    place: dict[str, Any] = {"host": host, "port": 1, **ACCOUNT}
    with pytest.raises(PermanentError, match=f"{host} leads to"):
        connect(Guard(), Lines(), Tls(), **place)
