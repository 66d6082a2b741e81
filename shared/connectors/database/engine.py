"""A connection to a source: read-only, in UTC, with deadlines, and without logs of values."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.dialects import registry

from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.mysql import LineConnection as MySqlConnection
from shared.connectors.database.postgres_times import keep_every_time
from shared.connectors.database.sqlite import LineConnection as SqliteConnection
from shared.connectors.database.sqlite import connect as open_sqlite
from shared.connectors.database.sqlserver import LineConnection as SqlServerConnection
from shared.connectors.database.sqlserver import connect as connect_to_sql_server
from shared.connectors.database.tls import Tls
from shared.connectors.database.tls_drivers import libpq_parameters
from shared.connectors.database.urls import kind_of
from shared.connectors.postgres import LineConnection as PostgresConnection
from shared.connectors.postgres import connect as connect_to_postgres
from shared.connectors.postgres import tried_within
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.egress.lines import ANSWER, CONNECT, ORPHAN, STATEMENT, Lines

registry.register("mssql.source", "shared.connectors.database.sqlserver_dialect", "SourceDialect")
registry.register("sqlite.source", "shared.connectors.database.sqlite_dialect", "SourceDialect")

_POSTGRES_ARGUMENTS: dict[str, object] = {
    # An empty password must not find another one on this machine: there is no such file.
    "passfile": f"{os.devnull}/none",
}
_POSTGRES_SETTINGS = f"""
SELECT set_config('default_transaction_read_only', 'on', false),
    set_config('statement_timeout', '{STATEMENT.total_seconds():.0f}s', false),
    set_config('timezone', 'UTC', false),
    set_config('datestyle', 'ISO', false),
    set_config('extra_float_digits', '1', false),
    -- Rows that a policy hides are an error: missing, they would be deleted from the dataset.
    set_config('row_security', 'off', false)
"""
_END_ORPHANS = f"SET client_connection_check_interval = '{ORPHAN.total_seconds():.0f}s'"
_MYSQL_ARGUMENTS: dict[str, object] = {
    "local_infile": False,  # a hostile server could ask for files of this machine
}
_MYSQL_SETTINGS = ("SET time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY")
_SQL_SERVER_SETTINGS = (
    f"SET LOCK_TIMEOUT {STATEMENT.total_seconds() * 1000:.0f};"
    " SET DEADLOCK_PRIORITY LOW"  # whoever writes there goes first
)

_NO_FILES = FilesRoot()


def source_engine(
    config: DatabaseConfig, guard: Guard, lines: Lines, files: FilesRoot = _NO_FILES
) -> Engine:
    """Return an engine on the source; nothing is connected yet.

    Its connections go to addresses that the guard has checked, or to a file below the root of
    `files`, and are `lines`.
    """
    url, door = config.engine_url(), _Door(guard, lines, config.tls_options(), files)
    match kind_of(url):
        case "postgresql":
            engine = _engine(url, _POSTGRES_ARGUMENTS)
            event.listen(engine, "do_connect", door.to_postgres)
            event.listen(engine, "connect", _set_up_postgres)
        case "mysql":
            engine = _engine(url, _MYSQL_ARGUMENTS)
            event.listen(engine, "do_connect", door.to_mysql)
            event.listen(engine, "connect", _set_up_mysql)
        case "mssql":
            engine = _engine(url.set(drivername="mssql+source"), {})
            event.listen(engine, "do_connect", door.to_sql_server)
            event.listen(engine, "connect", _set_up_sql_server)
        case _:
            engine = _engine(url.set(drivername="sqlite+source"), {})
            event.listen(engine, "do_connect", door.to_file)
    return engine


def _engine(url: URL, arguments: Mapping[str, object]) -> Engine:
    return create_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args=dict(arguments)
    )


@dataclass(frozen=True, slots=True)
class _Door:
    """The way to the source, in the form in which SQLAlchemy asks for a connection."""

    guard: Guard
    lines: Lines
    tls: Tls
    files: FilesRoot

    def to_postgres(
        self, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]
    ) -> PostgresConnection:
        found = self.guard.addresses_of(parameters["host"], self.lines)
        addresses, seconds = tried_within(found, self.lines.left(CONNECT))
        # The name stays, for TLS and for the server; libpq wants it once for each address.
        named: dict[str, Any] = {
            "host": ",".join(parameters["host"] for _ in addresses),
            "hostaddr": ",".join(map(str, addresses)),
            "connect_timeout": seconds,
        }
        with libpq_parameters(self.tls, addresses) as encryption:
            return connect_to_postgres(self.lines, **{**parameters, **named, **encryption})

    def to_mysql(
        self, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]
    ) -> MySqlConnection:
        return MySqlConnection(self.guard, self.lines, self.tls, **parameters)

    def to_sql_server(
        self, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]
    ) -> SqlServerConnection:
        return connect_to_sql_server(self.guard, self.lines, self.tls, **parameters)

    def to_file(
        self, _dialect: object, _record: object, arguments: list[str], _parameters: object
    ) -> SqliteConnection:
        (path,) = arguments
        return open_sqlite(self.files.open_path(path), self.lines)


def _set_up_postgres(connection: PostgresConnection, _record: object) -> None:
    keep_every_time(connection)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRES_SETTINGS)
        # Older than 14, or on a system that cannot look: then there is no such setting.
        with suppress(psycopg2.DatabaseError):
            cursor.execute(_END_ORPHANS)
    connection.autocommit = False
    connection.line.patience = ANSWER


def _set_up_mysql(connection: MySqlConnection, _record: object) -> None:
    with connection.cursor() as cursor:
        for statement in _MYSQL_SETTINGS:
            cursor.execute(statement)
    connection.commit()
    connection.wait_for_answers()


def _set_up_sql_server(connection: SqlServerConnection, _record: object) -> None:
    connection.cursor().execute(_SQL_SERVER_SETTINGS)
    connection.wait_for_answers()
