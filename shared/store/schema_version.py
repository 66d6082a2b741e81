"""Whether the database has the schema that this code was written for, and who is at work."""

from datetime import datetime
from functools import cache
from importlib.resources import files

from sqlalchemy import Connection, text

_STATE = text(
    "SELECT (SELECT version_num FROM alembic_version) AS version, statement_timestamp() AS now,"
    " (SELECT max(t.completed_at) FROM"
    " (SELECT completed_at FROM tick ORDER BY as_of DESC LIMIT 5) AS t) AS last_tick_at"
)


@cache
def newest_version() -> str:
    """Return the number of the newest migration, which is what its file's name begins with."""
    names = (file.name for file in (files("shared.store.migrations") / "versions").iterdir())
    return max(name.partition("_")[0] for name in names if name[:1].isdigit())


def find_state(connection: Connection) -> tuple[str | None, datetime, datetime | None]:
    """Return the version of the database's schema, its clock, and when it last had a tick."""
    row = connection.execute(_STATE).one()
    return row.version, row.now, row.last_tick_at
