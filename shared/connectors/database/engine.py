"""A connection to a source: read-only, in UTC, with deadlines, and without logs of values."""

import os
from functools import partial
from typing import Any

import psycopg2
from sqlalchemy import Engine, NullPool, create_engine, event

from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.mysql import LineConnection as MySqlConnection
from shared.connectors.postgres import LineConnection as PostgresConnection
from shared.connectors.postgres import connect as connect_to_postgres
from shared.egress.guard import Guard
from shared.egress.lines import ANSWER, ORPHAN, STATEMENT, Lines

_POSTGRES_ARGUMENTS: dict[str, object] = {
    # An empty password must not find another one on this machine: there is no such file.
    "passfile": f"{os.devnull}/none",
}
_POSTGRES_SETTINGS = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    f"SET statement_timeout = '{STATEMENT.total_seconds():.0f}s'",
    "SET timezone = 'UTC'",
    "SET datestyle = 'ISO'",
    "SET extra_float_digits = 1",
)
_END_ORPHANS = f"SET client_connection_check_interval = '{ORPHAN.total_seconds():.0f}s'"
_MYSQL_ARGUMENTS: dict[str, object] = {
    "local_infile": False,  # a hostile server could ask for files of this machine
}
_MYSQL_SETTINGS = ("SET time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY")


def source_engine(config: DatabaseConfig, guard: Guard, lines: Lines) -> Engine:
    """Return an engine on the source; nothing is connected yet.

    Its connections go to addresses that the guard has checked, and are `lines`.
    """
    url = config.engine_url()
    postgres = url.get_backend_name() == "postgresql"
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args=_POSTGRES_ARGUMENTS if postgres else _MYSQL_ARGUMENTS,
    )
    connect = _connect_to_postgres if postgres else _connect_to_mysql
    event.listen(engine, "do_connect", partial(connect, guard, lines))
    event.listen(engine, "connect", _set_up_postgres if postgres else _set_up_mysql)
    return engine


def _connect_to_postgres(
    guard: Guard,
    lines: Lines,
    _dialect: object,
    _record: object,
    _arguments: object,
    parameters: dict[str, Any],
) -> PostgresConnection:
    addresses = guard.addresses_of(parameters["host"])
    # The name stays, for TLS and for the server; libpq wants it once for each address.
    named = {
        "host": ",".join(parameters["host"] for _ in addresses),
        "hostaddr": ",".join(map(str, addresses)),
    }
    return connect_to_postgres(lines, **{**parameters, **named})


def _connect_to_mysql(
    guard: Guard,
    lines: Lines,
    _dialect: object,
    _record: object,
    _arguments: object,
    parameters: dict[str, Any],
) -> MySqlConnection:
    return MySqlConnection(guard, lines, **parameters)


def _set_up_postgres(connection: PostgresConnection, _record: object) -> None:
    with connection.cursor() as cursor:
        for statement in _POSTGRES_SETTINGS:
            cursor.execute(statement)
        connection.commit()
        try:
            cursor.execute(_END_ORPHANS)
        except psycopg2.DatabaseError:  # older than 14, or on a system that cannot look
            connection.rollback()
    connection.commit()
    connection.line.patience = ANSWER


def _set_up_mysql(connection: MySqlConnection, _record: object) -> None:
    with connection.cursor() as cursor:
        for statement in _MYSQL_SETTINGS:
            cursor.execute(statement)
    connection.commit()
    connection.wait_for_answers()
