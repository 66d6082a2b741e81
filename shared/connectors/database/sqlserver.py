"""Connections to SQL Server which can be cut, and which go nowhere unchecked."""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import islice
from typing import Any, cast

import pytds
from pytds import tds_base
from pytds.connection import NonMarsConnection
from pytds.cursor import NonMarsCursor
from pytds.tds_types import NVarCharType

from shared.connectors.database.sqlserver_login import LONGEST, TdsConnection, logged_in
from shared.connectors.database.sqlserver_packets import TransportError
from shared.connectors.database.tls import Tls
from shared.connectors.sqlserver_failures import LateError
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.guard import Guard
from shared.egress.lines import ANSWER, CONNECT, Line, Lines
from shared.errors import PermanentError, SynclineError

_PORT = 1433
_MOST_HOPS = 4
"""So many times a server may send us on: a gateway to a cluster, that to a node, and some more."""
_SHORT_TEXT = 4_000
"""Letters of a text that is no `max`; with a `max` to compare with, no index is used."""
_FAREWELL_SECONDS = 1.0
_UNDER_WAY = (tds_base.TDS_PENDING, tds_base.TDS_READING)


class LineCursor(NonMarsCursor):
    """A cursor that waits by the line of its connection."""

    def execute(self, operation: str, params: Any = None) -> "LineCursor":
        """Execute a statement; raise `pytds.Error`, or `OSError` if the connection broke."""
        if params:
            params = {name: _as_parameter(value) for name, value in params.items()}
        with self._answered():
            super().execute(operation, params)
        return self

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        with self._answered():
            return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return at most so many rows."""
        fetch = super().fetchone
        with self._answered():
            return list(islice(iter(fetch, None), size or self.arraysize))

    def fetchall(self) -> list[Any]:
        """Return the other rows."""
        fetch = super().fetchone
        with self._answered():
            return list(iter(fetch, None))

    def _answered(self) -> Any:
        return cast("LineConnection", self._connection).answered()


class LineConnection(NonMarsConnection):
    """A connection with a line, which is closed with it."""

    def __init__(self, tds: TdsConnection, plain: socket.socket, line: Line) -> None:
        super().__init__(pooling=False, key=cast("Any", ()), tds_socket=tds)
        self._plain = plain
        self.line = line
        self._is_broken = False

    def cursor(self) -> LineCursor:
        """Return a cursor; what another has left unread is not sent any more."""
        if self._tds_socket is None or self._is_broken:
            raise tds_base.ClosedConnectionError
        session = self._tds_socket.main_session
        with self.answered():
            session.cancel_if_pending()
        cursor = LineCursor(connection=self, session=session)
        self._cursors.add(cursor)
        return cursor

    def wait_for_answers(self) -> None:
        """Give statements from now on the time of a statement, and not that of a connection."""
        self.line.patience = ANSWER
        self._plain.settimeout(ANSWER.total_seconds())

    @contextmanager
    def answered(self) -> Generator[None]:
        """Let the block be one wait; a connection of which it cannot be read on is broken."""
        try:
            with self.line.waiting():
                yield
        except tds_base.DatabaseError:
            raise
        except Exception as error:
            self._is_broken = True
            if self.line.is_given_up:
                raise LateError("the wait for the server timed out") from error
            if isinstance(error, OSError | tds_base.Error):
                raise
            # What a server sends that python-tds cannot make sense of ends in any error at all.
            raise pytds.InterfaceError("the answer cannot be read") from error

    @property
    def is_broken(self) -> bool:
        """Tell whether nothing more can be asked."""
        return self._is_broken

    def close(self) -> None:
        """Close it and its line, and let the server end what it still does for us."""
        try:
            self._say_farewell()
            super().close()
        finally:
            self.line.close()

    def _say_farewell(self) -> None:
        tds = self._tds_socket
        if tds is None or tds.main_session.state not in _UNDER_WAY:
            return
        with suppress(Exception):
            self._plain.settimeout(_FAREWELL_SECONDS)
            tds.main_session.put_cancel()


@dataclass(frozen=True, slots=True)
class _Hop:
    """A server on the way to the one that holds the data."""

    host: str
    port: int
    tls: Tls


def connect(guard: Guard, lines: Lines, tls: Tls, **parameters: Any) -> LineConnection:
    """Connect to a checked address, and to that of the server to which it sends us on.

    `parameters` are SQLAlchemy's: `host`, `port`, `user`, `password` and `database`. Raises
    `SynclineError`, `pytds.Error`, `ssl.SSLError` and `OSError`.
    """
    hop = _Hop(parameters.pop("host"), parameters.pop("port", _PORT), tls)
    if max(map(len, parameters.values())) > LONGEST:
        raise PermanentError(
            f"SQL Server has no user, password or database of more than {LONGEST} letters: give"
            " shorter ones.",
            code=Reason.CONFIGURATION,
            fault=Fault.SETTINGS,
        )
    for _ in range(_MOST_HOPS):
        opened = _open(guard, lines, hop, parameters)
        if isinstance(opened, LineConnection):
            return opened
        hop = opened
    raise PermanentError(
        "The source database sends connections on from server to server without an end: use the"
        " address of the one that holds the data.",
        code=Reason.CONFIGURATION,
        fault=Fault.ADDRESS_NOT_ALLOWED,
    )


def _open(
    guard: Guard, lines: Lines, hop: _Hop, parameters: dict[str, Any]
) -> LineConnection | _Hop:
    plain = guard.connect(hop.host, hop.port, lines=lines)
    line: Line | None = None
    try:
        plain.settimeout(CONNECT.total_seconds())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = lines.add(plain.fileno(), CONNECT)
        address = ip_address(plain.getpeername()[0])
        with _greeting(line):
            tds, route = logged_in(plain, hop.host, address, hop.tls, parameters)
        if route is None:
            return LineConnection(tds, plain, line)
    except BaseException:
        _close(plain, line)
        raise
    _close(plain, line)
    host = route["server"].partition("\\")[0]
    return _Hop(host, route["port"], hop.tls.sent_on_from(address))


@contextmanager
def _greeting(line: Line) -> Generator[None]:
    """Let the block be one wait, however many drips the answer comes in."""
    try:
        with line.waiting():
            yield
    except (OSError, tds_base.Error) as error:
        if line.is_given_up:
            raise LateError("the wait for the server timed out") from error
        raise
    except SynclineError:
        raise
    except Exception as error:
        raise TransportError("the answer to the login cannot be read") from error


def _close(plain: socket.socket, line: Line | None) -> None:
    plain.close()
    if line is not None:
        line.close()


def _as_parameter(value: Any) -> Any:
    if (
        isinstance(value, str)
        and len(value.encode("utf-16-le", "surrogatepass")) <= 2 * _SHORT_TEXT
    ):
        return tds_base.Param(type=NVarCharType(size=_SHORT_TEXT), value=value)
    return value
