"""The engine on PostgreSQL, and the units of work on it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pg8000.dbapi
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DisconnectionError

from shared.clock import monotonic

_PING_AFTER_IDLE_SECONDS = 20.0
_ONE_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_SESSION_SETTINGS = {
    # A client that gave up must not leave work, locks or transactions behind on the server.
    "statement_timeout": "60000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "60000",
    "client_connection_check_interval": "10000",
    "TimeZone": "UTC",
}


def create_engine_for(
    url: str, *, pool_size: int = 5, application_name: str = "syncline"
) -> Engine:
    """Return an engine for a `postgresql+pg8000://` URL; it connects when first used.

    Connections that sat idle are tried before they are handed out, busy ones are not: a run
    costs no extra round trip, and a restart of the database costs no failed request.
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
            "timeout": 70,
            "application_name": application_name,
            "startup_params": _SESSION_SETTINGS,
        },
    )
    event.listen(engine, "handle_error", _give_up_connection_out_of_step)
    event.listen(engine, "checkin", _note_idle_since)
    event.listen(engine, "checkout", _try_idle_connection)
    return engine


@contextmanager
def single_statements(engine: Engine) -> Generator[Connection]:
    """Open a connection on which each statement is its own transaction: one round trip each."""
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def read_only(engine: Engine) -> Generator[Connection]:
    """Open a transaction that sees one snapshot and in which the database refuses every write."""
    with engine.begin() as connection:
        connection.execute(_ONE_SNAPSHOT)
        yield connection


def _give_up_connection_out_of_step(context: ExceptionContext) -> None:
    """Close a connection on which the driver itself broke down.

    pg8000 raises what its converters raise, such as OverflowError, between two messages of one
    statement: whoever got that connection next would read the answer to another's question.
    """
    if not isinstance(context.original_exception, pg8000.dbapi.Error):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


def _note_idle_since(_connection: Any, record: Any) -> None:
    record.info["idle_since"] = monotonic()


def _try_idle_connection(connection: Any, record: Any, _proxy: Any) -> None:
    idle_since = record.info.get("idle_since")
    if idle_since is None or monotonic() - idle_since < _PING_AFTER_IDLE_SECONDS:
        return
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.rollback()
    except Exception as error:
        raise DisconnectionError("the connection was closed while it sat idle") from error
