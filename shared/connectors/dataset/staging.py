"""Tables of a load in PostgreSQL: the staging table and its rows, and the table they are for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from dlt.common.storages import FileStorage
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from psycopg2.sql import SQL, Composable, Identifier

from shared.connectors.dataset.columns import tables_gone
from shared.connectors.dataset.names import quoted

_STATEMENT_CHARACTERS = 1024 * 1024
"""How much of a file becomes one INSERT; several copies of it are in memory."""

_LOOK = """
SELECT to_regclass(%(target)s) IS NOT NULL,
    ARRAY(
        SELECT wanted FROM unnest(CAST(%(schemas)s AS text[])) AS s (wanted)
        WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = wanted)
    ),
    ARRAY(
        SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = to_regclass(%(target)s) AND relname ~ '^syncline_key_[0-9a-f]{12}$'
        ORDER BY relname
    )
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream lands: the schemas by their plain names, the table, and its key."""

    schema: str
    staging_schema: str
    table: str
    key: Sequence[str]

    @property
    def target(self) -> str:
        """Return the qualified, quoted name of the table."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    @property
    def staging(self) -> str:
        """Return the qualified, quoted name of the table it is staged in."""
        return f"{quoted(self.staging_schema)}.{quoted(self.table)}"


@dataclass(frozen=True, slots=True)
class Found:
    """What of a place is there: its table, and the indexes of ours on it, by name."""

    has_target: bool
    missing_schemas: Sequence[str]
    key_indexes: Sequence[str]


def look_at(cursor: Cursor, place: Place) -> Found:
    """Return what of a place is there."""
    schemas = [place.schema, place.staging_schema]
    cursor.execute(_LOOK, {"target": place.target, "schemas": schemas})
    has_target, missing, indexes = cursor.fetchone() or (False, schemas, [])
    return Found(bool(has_target), missing, indexes)


def make_schemas(cursor: Cursor, missing: Sequence[str]) -> None:
    """Make schemas that are not there: IF NOT EXISTS demands the right to make one all the same."""
    if missing:
        made = (SQL("CREATE SCHEMA {}").format(Identifier(name)) for name in missing)
        cursor.execute(SQL("; ").join(made))


def make_tables(
    cursor: Cursor, place: Place, types: Mapping[str, str], *, with_target: bool
) -> None:
    """Make the staging table anew and, if it is not there, the table that it is for.

    A staging table lives for one load. One of an earlier version of ours may be there still.
    """
    columns = SQL(", ").join(_column(name, kind, place.key) for name, kind in types.items())
    staging, target = SQL(place.staging), SQL(place.target)
    statements: list[Composable] = [
        SQL("DROP TABLE IF EXISTS {}").format(staging),
        SQL("CREATE UNLOGGED TABLE {} ({})").format(staging, columns),
    ]
    if with_target:
        statements.append(SQL("CREATE TABLE {} ({})").format(target, columns))
    cursor.execute(SQL("; ").join(statements))


def check_target(found: Found, place: Place, *, is_continued: bool) -> None:
    """Raise `PermanentError` if a table is gone of which the load brings only a part."""
    if is_continued and not found.has_target:
        raise tables_gone([place.table])


def stage(cursor: Cursor, place: Place, files: Sequence[Path]) -> None:
    """Write the rows of dlt's files into the staging table, some at a time."""
    for path in files:
        with FileStorage.open_zipsafe_ro(str(path), encoding="utf-8") as file:
            for statement in _inserts(cast("TextIO", file), place.staging):
                cursor.execute(statement)


def drop_staging(cursor: Cursor, place: Place) -> None:
    """Take the staging table away: nobody but the load that made it has seen it."""
    cursor.execute(SQL("DROP TABLE {}").format(SQL(place.staging)))


def _inserts(file: TextIO, table: str) -> Iterator[str]:
    """Yield INSERT statements; a file has a line that begins one, `VALUES`, and a line a row."""
    begin = file.readline().format(table) + file.readline()
    while rows := file.read(_STATEMENT_CHARACTERS):
        yield begin + (rows + file.readline()).rstrip("\n,;")


def _column(name: str, kind: str, key: Sequence[str]) -> Composable:
    form = "{} {} NOT NULL" if name in key else "{} {}"
    return SQL(form).format(Identifier(name), SQL(kind))
