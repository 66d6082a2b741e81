"""The table of turns: which connection loads of which connector, out of reach of every reader.

A reader's login is a login: it may take any advisory lock of its database, and see the keys that
others hold. So the turn is a row in a schema that only the deployment's role may use. It names a
connection by its process and by when that began, and is worth something for as long as the server
knows that connection: like a session's lock it lives and dies with it, and nobody has to clear it.
"""

from psycopg2 import sql
from psycopg2.errors import (
    DuplicateSchema,
    DuplicateTable,
    InvalidSchemaName,
    UndefinedTable,
    UniqueViolation,
)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.domain.dataset import OUR_SCHEMA

_TABLE = sql.Identifier(OUR_SCHEMA, "load_turn")
_MAKE = sql.SQL(
    """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {table} (
    connector_id uuid PRIMARY KEY,
    pid integer,
    backend_start timestamptz,
    taken_at timestamptz
)
"""
).format(schema=sql.Identifier(OUR_SCHEMA), table=_TABLE)
# One message, and so one transaction: who the holder is shows under the row's lock alone. A server
# looks at its processes once a transaction, and before the lock it might have looked too early. A
# process of which we may not see when it began is another role's, and counts as the holder.
_TAKE = sql.SQL(
    """
INSERT INTO {table} AS t (connector_id) VALUES (%(connector)s)
ON CONFLICT (connector_id) DO UPDATE SET connector_id = excluded.connector_id;
UPDATE {table} AS t
SET pid = own.pid, backend_start = own.backend_start, taken_at = clock_timestamp()
FROM pg_stat_activity AS own
WHERE t.connector_id = %(connector)s
    AND own.pid = pg_backend_pid()
    AND NOT EXISTS (
        SELECT FROM pg_stat_activity AS holder
        WHERE holder.pid = t.pid
            AND holder.pid <> own.pid
            AND coalesce(holder.backend_start, t.backend_start) = t.backend_start
    )
RETURNING t.pid
"""
).format(table=_TABLE)
_END_HOLDER = sql.SQL(
    """
SELECT pg_terminate_backend(holder.pid)
FROM {table} AS t
JOIN pg_stat_activity AS holder ON holder.pid = t.pid
WHERE t.connector_id = %s
    AND holder.pid <> pg_backend_pid()
    AND coalesce(holder.backend_start, t.backend_start) = t.backend_start
"""
).format(table=_TABLE)
_HOLD_RIGHTS = sql.SQL("LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE").format(table=_TABLE)


def make_turns(cursor: Cursor) -> None:
    """Make the table, if it is not there; two who make it at once are no trouble.

    The connection is in autocommit.
    """
    try:
        cursor.execute(_MAKE)
    except (DuplicateSchema, DuplicateTable, UniqueViolation):
        cursor.execute(_MAKE)  # somebody else has just made one of both


def take_turn(cursor: Cursor, connector: str) -> bool:
    """Take a connector's turn if nobody else has it; the connection is in autocommit."""
    try:
        cursor.execute(_TAKE, {"connector": connector})
    except (InvalidSchemaName, UndefinedTable):
        make_turns(cursor)
        cursor.execute(_TAKE, {"connector": connector})
    return cursor.rowcount == 1


def end_holder(cursor: Cursor, connector: str) -> int:
    """End the connection that has a connector's turn; return how many, 0 if it is gone."""
    cursor.execute(_END_HOLDER, (connector,))
    return cursor.rowcount


def hold_rights() -> sql.Composable:
    """Return the statement that lets rights of readers change one after the other.

    It holds until its transaction ends, keeps no turn from being taken, and no reader can hold it.
    """
    return _HOLD_RIGHTS
