"""Tables by which loads take turns and rights change in turn, out of reach of every reader.

A reader's login is a login: it may take any advisory lock of its database, and see the keys that
others hold. So the turn is a row in a schema that only the deployment's role may use. It names a
connection by its process and by when that began, and is worth something for as long as the server
knows that connection: like a session's lock it lives and dies with it, and nobody has to clear it.
Its token is known to the loader alone, who holds the row by it while a transaction lasts.
"""

from psycopg2 import sql
from psycopg2.errors import (
    DuplicateSchema,
    DuplicateTable,
    InvalidSchemaName,
    UndefinedColumn,
    UndefinedTable,
    UniqueViolation,
)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.domain.dataset import OUR_SCHEMA

_TABLE = sql.Identifier(OUR_SCHEMA, "load_turn")
_RIGHTS = sql.Identifier(OUR_SCHEMA, "reader_rights")
_MAKE = sql.SQL(
    """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {table} (
    connector_id uuid PRIMARY KEY,
    pid integer,
    backend_start timestamptz,
    taken_at timestamptz,
    usesysid oid,
    token uuid
);
CREATE TABLE IF NOT EXISTS {rights} (role name PRIMARY KEY)
"""
).format(schema=sql.Identifier(OUR_SCHEMA), table=_TABLE, rights=_RIGHTS)
# A version of ours before had neither column. Only where they are missing: it locks the table.
_WIDEN = sql.SQL(
    """
ALTER TABLE {table}
    ADD COLUMN IF NOT EXISTS usesysid oid,
    ADD COLUMN IF NOT EXISTS token uuid
"""
).format(table=_TABLE)
# One message, and so one transaction: who the holder is shows under the row's lock alone. A server
# looks at its processes once a transaction, and before the lock it might have looked too early. Of
# another role's process we may not see when it began: one of the role that took the turn counts as
# the holder then (a deployment may have changed its role), and any other is a stranger's.
_TAKE = sql.SQL(
    """
INSERT INTO {table} AS t (connector_id) VALUES (%(connector)s)
ON CONFLICT (connector_id) DO UPDATE SET connector_id = excluded.connector_id;
UPDATE {table} AS t
SET pid = own.pid, backend_start = own.backend_start, usesysid = own.usesysid,
    token = %(token)s, taken_at = clock_timestamp()
FROM pg_stat_activity AS own
WHERE t.connector_id = %(connector)s
    AND own.pid = pg_backend_pid()
    AND NOT EXISTS (
        SELECT FROM pg_stat_activity AS holder
        WHERE holder.pid = t.pid
            AND holder.datid = own.datid
            AND coalesce(
                holder.backend_start = t.backend_start, holder.usesysid = t.usesysid
            )
    )
RETURNING t.pid
"""
).format(table=_TABLE)
# Never a process of which nobody has seen that it is the holder's.
_END_HOLDER = sql.SQL(
    """
SELECT pg_terminate_backend(holder.pid)
FROM {table} AS t
JOIN pg_stat_activity AS holder USING (pid, backend_start)
WHERE t.connector_id = %s
    AND holder.pid <> pg_backend_pid()
"""
).format(table=_TABLE)
_KEEP = sql.SQL("SELECT FROM {table} WHERE connector_id = %s AND token = %s FOR SHARE").format(
    table=_TABLE
)
_HOLD_RIGHTS = """
INSERT INTO {table} (role) VALUES ({role}) ON CONFLICT (role) DO UPDATE SET role = excluded.role
"""
_HOLD_DATABASE = sql.SQL("LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE").format(table=_RIGHTS)


def make_turns(cursor: Cursor) -> None:
    """Make the tables, if they are not there; two who make them at once are no trouble.

    The connection is in autocommit.
    """
    try:
        cursor.execute(_MAKE)
    except (DuplicateSchema, DuplicateTable, UniqueViolation):
        cursor.execute(_MAKE)  # somebody else has just made one of them


def take_turn(cursor: Cursor, connector: str, token: str) -> bool:
    """Take a connector's turn if nobody else has it; the connection is in autocommit."""
    parameters = {"connector": connector, "token": token}
    try:
        cursor.execute(_TAKE, parameters)
    except (InvalidSchemaName, UndefinedTable, UndefinedColumn):
        make_turns(cursor)
        cursor.execute(_WIDEN)
        cursor.execute(_TAKE, parameters)
    return cursor.rowcount == 1


def keep_turn(cursor: Cursor, connector: str, token: str) -> bool:
    """Let nobody take a turn until the transaction ends; return whether it is this token's."""
    cursor.execute(_KEEP, (connector, token))
    return cursor.rowcount == 1


def end_holder(cursor: Cursor, connector: str) -> int:
    """End the connection that has a connector's turn; return how many, 0 if it is gone."""
    cursor.execute(_END_HOLDER, (connector,))
    return cursor.rowcount


def hold_rights(role: str) -> sql.Composable:
    """Return the statement that lets rights of one reader change one after the other.

    It holds until its transaction ends, keeps no turn from being taken and no other workspace
    waiting, and no reader can hold it.
    """
    return sql.SQL(_HOLD_RIGHTS).format(table=_RIGHTS, role=sql.Literal(role))


def hold_database_rights() -> sql.Composable:
    """Return the statement that lets rights to the database itself change one after the other.

    It holds until its transaction ends; whoever has it waits for nobody. Loads do not need it.
    """
    return _HOLD_DATABASE
