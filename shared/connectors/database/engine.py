"""A connection to a source: read-only, in UTC, with deadlines, and without logs of values."""

import os
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, event

from shared.connectors.database.config import DatabaseConfig

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 900

_POSTGRES_ARGUMENTS: dict[str, object] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "syncline",
    # An empty password must not find another one on this machine: there is no such file.
    "passfile": f"{os.devnull}/none",
}
_POSTGRES_SETTINGS = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'",
    "SET timezone = 'UTC'",
    "SET datestyle = 'ISO'",
    "SET extra_float_digits = 1",
)
_MYSQL_ARGUMENTS: dict[str, object] = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": STATEMENT_SECONDS,
    "write_timeout": CONNECT_SECONDS,
    "local_infile": False,  # a hostile server could ask for files of this machine
}
_MYSQL_SETTINGS = ("SET time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY")


def source_engine(config: DatabaseConfig) -> Engine:
    """Return an engine on the source; nothing is connected yet."""
    url = config.engine_url()
    postgres = url.get_backend_name() == "postgresql"
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args=_POSTGRES_ARGUMENTS if postgres else _MYSQL_ARGUMENTS,
    )
    settings = _POSTGRES_SETTINGS if postgres else _MYSQL_SETTINGS

    def apply(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            for statement in settings:
                cursor.execute(statement)
        connection.commit()

    event.listen(engine, "connect", apply)
    return engine
