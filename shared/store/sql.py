"""The statements that concurrency depends on: one named file each, loaded once."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def load_sql(name: str) -> TextClause:
    """Return the statement in `shared/store/sql/<name>.sql`."""
    return text((files("shared.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8"))
