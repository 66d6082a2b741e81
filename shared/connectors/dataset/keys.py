"""The unique index by which a merge finds its rows, and what a key that was given up leaves."""

from collections.abc import Sequence
from hashlib import sha256

from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from psycopg2.sql import SQL, Composable, Identifier

from shared.connectors.dataset.landing import NEW_CONNECTOR, LoadTable
from shared.connectors.dataset.names import quoted
from shared.domain.fault import Fault
from shared.errors import PermanentError

_BOUND = """
SELECT DISTINCT attname
FROM pg_index
JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
WHERE indexrelid = ANY(CAST(%(indexes)s AS regclass[])) AND attnotnull
    AND NOT attname = ANY(%(key)s)
    AND NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = attrelid AND contype = 'p' AND attnum = ANY(conkey)
    )
"""


def key_index(table: str, key: Sequence[str]) -> str:
    """Return the name of the index of ours on a table with this key."""
    names = [quoted(name) for name in key]
    return f"syncline_key_{sha256(chr(0).join([table, *names]).encode()).hexdigest()[:12]}"


def keep_key_index(cursor: Cursor, table: LoadTable, found: Sequence[str]) -> None:
    """Make sure of the index of the key, and take away those of ours for another key.

    `found` are the indexes of ours on the table. One for a key that the stream had before would
    refuse rows that differ by the new one, and so would its columns, which had to have a value. An
    index or a primary key that a person made is left alone. Raises `PermanentError` if rows of the
    table are one by the new key.
    """
    wanted = key_index(table.name, table.key)
    given_up = [name for name in found if name != wanted]
    if given_up:
        _give_up(cursor, table, given_up)
    if wanted not in found:
        columns = SQL(", ").join(map(Identifier, table.key))
        create = SQL("CREATE UNIQUE INDEX {} ON {} ({})")
        try:
            cursor.execute(create.format(Identifier(wanted), SQL(table.target), columns))
        except UniqueViolation:
            raise PermanentError(
                f"The dataset's table {table.name} has several rows that are one by the primary"
                f" key {', '.join(table.key)}: delete all but one of them there, choose a primary"
                f" key that tells them apart, or {NEW_CONNECTOR}.",
                fault=Fault.SCHEMA,
            ) from None


def _give_up(cursor: Cursor, table: LoadTable, indexes: Sequence[str]) -> None:
    schema = SQL(table.target.rpartition(f".{quoted(table.name)}")[0])
    names = [SQL("{}.{}").format(schema, Identifier(name)) for name in indexes]
    qualified = [name.as_string(cursor) for name in names]
    cursor.execute(_BOUND, {"indexes": qualified, "key": list(table.key)})
    statements: list[Composable] = [SQL("DROP INDEX {}").format(SQL(", ").join(names))]
    statements += [
        SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(
            SQL(table.target), Identifier(name)
        )
        for (name,) in cursor.fetchall()
    ]
    cursor.execute(SQL("; ").join(statements))
