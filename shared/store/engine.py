"""The engine on PostgreSQL, and the units of work on it."""

import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pg8000
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import InvalidatePoolError, OperationalError

from shared.clock import monotonic
from shared.store.driver import DriverConnection
from shared.store.tenancy import DatabaseRole, name_whom_it_is_for, require_harmless_login

_PING_AFTER_IDLE_SECONDS = 20.0
_DEFAULT_PORT = 5432
_ONE_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_KEEPALIVES: Mapping[str, int] = {"IDLE": 60, "INTVL": 20, "CNT": 4}
"""Seconds until the first, seconds between, and how many: keeps what is idle known to firewalls on
the way, which drop it after ten minutes, and finds out in time when they did."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long anything may take on one connection."""

    statement: timedelta
    """For a statement on the server, locks that it waits for included."""
    answer: timedelta
    """For each wait for the server: longer than `statement`, so that a slow one says so itself."""
    idle_in_transaction: timedelta
    """For us between two statements of a transaction, with its locks."""
    lock: timedelta = timedelta(seconds=10)
    """For each lock that a statement waits for."""
    connect: timedelta = timedelta(seconds=10)
    """For each wait while a connection is made."""
    ping: timedelta = timedelta(seconds=5)
    """For the server to show that a connection that sat idle still lives."""


PATIENT = Deadlines(
    statement=timedelta(seconds=60),
    answer=timedelta(seconds=70),
    idle_in_transaction=timedelta(seconds=60),
)
"""For commands: a statement may take its time."""
PROMPT = Deadlines(
    statement=timedelta(seconds=20),
    answer=timedelta(seconds=25),
    idle_in_transaction=timedelta(seconds=30),
)
"""For functions: a tick ends within its minute, and of the heartbeats that come every third of a
lease (90 s) one may fail and the next one still comes in time."""


def create_engine_for(
    url: str,
    *,
    pool_size: int = 5,
    application_name: str = "syncline",
    deadlines: Deadlines = PATIENT,
    role: DatabaseRole | None = None,
    is_operator: bool = False,
) -> Engine:
    """Return an engine for a `postgresql+pg8000://` URL; it connects when first used.

    A function has a `role`: its first connection is refused, by `ConfigurationError`, unless the
    database binds its login to it. An operator, who connects as the owner of the tables, sees
    every workspace; without saying so the owner sees none.

    Connections that sat idle are tried before they are handed out, busy ones are not: a run
    costs no extra round trip, and a restart of the database costs no failed request. A network
    that fails or goes silent is an `OperationalError` or `InterfaceError` of SQLAlchemy whose
    `connection_invalidated` is set; on a commit, nobody knows whether it took place.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=20,
        pool_recycle=1800,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={
            "application_name": application_name,
            "startup_params": _session_settings(deadlines, is_operator=is_operator),
        },
    )
    event.listen(engine, "do_connect", partial(_connect, deadlines))
    if role is not None:
        event.listen(engine, "first_connect", partial(_check_login, role))
    event.listen(engine, "begin", name_whom_it_is_for)
    event.listen(engine, "handle_error", _give_up_connection, retval=True)
    event.listen(engine, "checkin", _note_idle_since)
    event.listen(engine, "checkout", partial(_try_idle_connection, deadlines))
    return engine


@contextmanager
def single_statements(engine: Engine) -> Generator[Connection]:
    """Open a connection on which each statement is its own transaction."""
    with engine.connect() as connection:
        # Not by SQLAlchemy's isolation level, which takes three round trips to be set back.
        driver: Any = connection.connection.dbapi_connection
        driver.autocommit = True
        try:
            yield connection
        finally:
            driver.autocommit = False


@contextmanager
def read_only(engine: Engine) -> Generator[Connection]:
    """Open a transaction that sees one snapshot and in which the database refuses every write."""
    with engine.begin() as connection:
        connection.execute(_ONE_SNAPSHOT)
        yield connection


def _session_settings(deadlines: Deadlines, *, is_operator: bool) -> Mapping[str, str]:
    """Return what keeps a client that gave up or vanished from leaving anything on the server."""
    return {
        "statement_timeout": _milliseconds(deadlines.statement),
        "lock_timeout": _milliseconds(deadlines.lock),
        "idle_in_transaction_session_timeout": _milliseconds(deadlines.idle_in_transaction),
        "client_connection_check_interval": "10000",
        "tcp_keepalives_idle": str(_KEEPALIVES["IDLE"]),
        "tcp_keepalives_interval": str(_KEEPALIVES["INTVL"]),
        "tcp_keepalives_count": str(_KEEPALIVES["CNT"]),
        "TimeZone": "UTC",
        "syncline.every_workspace": "on" if is_operator else "off",
    }


def _milliseconds(duration: timedelta) -> str:
    return str(duration // timedelta(milliseconds=1))


def _connect(
    deadlines: Deadlines, _dialect: Any, _record: Any, _arguments: Any, parameters: Any
) -> Any:
    opened = None if "unix_sock" in parameters else _open_socket(parameters, deadlines.connect)
    wait = deadlines.connect.total_seconds()
    try:
        connection = DriverConnection(sock=opened, timeout=wait, **parameters)
    except BaseException as error:
        if opened is not None:
            opened.close()
        if isinstance(error, OSError):
            raise _broken(error) from error
        raise
    _wait_for_answers(connection, deadlines.answer)
    return connection


def _open_socket(parameters: Mapping[str, Any], deadline: timedelta) -> socket.socket:
    address = (parameters.get("host", "localhost"), parameters.get("port", _DEFAULT_PORT))
    try:
        opened = socket.create_connection(address, deadline.total_seconds())
    except OSError as error:
        raise _broken(error) from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVES.items():
        opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}"), value)
    return opened


def _broken(error: OSError) -> pg8000.InterfaceError:
    """Return the driver's own error for what it lets through as the network's while connecting."""
    return pg8000.InterfaceError(f"network error: {type(error).__name__}")


def _wait_for_answers(connection: Any, deadline: timedelta) -> None:
    # The driver has no call for it, and it may have wrapped the socket in TLS.
    connection._usock.settimeout(deadline.total_seconds())  # noqa: SLF001


def _give_up_connection(context: ExceptionContext) -> OperationalError | None:
    """Close a connection that cannot be used any more, and tell every network error alike."""
    error = context.original_exception
    if context.connection is None:
        context.is_disconnect = True  # there is none: nobody need try another statement on it
    elif isinstance(error, OSError):
        # The driver lets some through. Other connections to that server are as old and as dead;
        # SQLAlchemy would keep them after a TimeoutError, which it takes for a cancelled task.
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
        return OperationalError(context.statement, None, error, True, True)
    elif not isinstance(error, pg8000.Error):
        # pg8000 raises what its converters raise, such as OverflowError, between two messages of
        # one statement: whoever got that connection next would read the answer to another's.
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
    return None


def _check_login(role: DatabaseRole, connection: Any, _record: Any) -> None:
    try:
        require_harmless_login(role, connection)
    except BaseException:
        connection.close()  # the pool does not know it yet
        raise


def _note_idle_since(connection: Any, record: Any) -> None:
    if connection is not None:
        connection.local_setting = None  # whoever begins next says for whom
    record.info["idle_since"] = monotonic()


def _try_idle_connection(deadlines: Deadlines, connection: Any, record: Any, _proxy: Any) -> None:
    idle_since = record.info.get("idle_since")
    if idle_since is None or monotonic() - idle_since < _PING_AFTER_IDLE_SECONDS:
        return
    try:
        _wait_for_answers(connection, deadlines.ping)
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.autocommit = False
        _wait_for_answers(connection, deadlines.answer)
    except Exception as error:
        # Whatever ended this one ended those that sat idle beside it.
        raise InvalidatePoolError("the connection was closed while it sat idle") from error
