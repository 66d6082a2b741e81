"""Roles that read the datasets of one workspace and nothing else, for people and their tools."""

from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager, suppress

import psycopg2
from psycopg2 import sql
from psycopg2.errors import DependentObjectsStillExist, InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import encrypt_password

from shared.connectors.dataset.turn_table import hold_database_rights, hold_rights, make_turns
from shared.connectors.postgres import connect
from shared.domain.run import Reason
from shared.egress.lines import Lines
from shared.errors import ConfigurationError, PermanentError, TransientError

_MOST_CONNECTIONS = 20
_SETTINGS = (
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "15min"),
    ("idle_in_transaction_session_timeout", "15min"),
)
_END_MILLISECONDS = 400
"""For each of its connections to be gone, after all of them were told to end."""

_ROLE_IS_THERE = "SELECT FROM pg_roles WHERE rolname = %s"
# Its temporary tables would be a way to fill the disk. Other logins of the database lose them too,
# but for its owner, so that it is done where the database is the deployment's own alone.
_NO_TEMPORARY_TABLES = """
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_database
        WHERE datname = current_database() AND pg_get_userbyid(datdba) = current_user
    ) THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
END $$
"""
# One statement, so that it is a transaction also where the connection commits each by itself: the
# role is looked for once nobody else changes its rights, and is there until they are granted.
_GRANT = """
DO $$
BEGIN
    {hold};
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN
        GRANT USAGE ON SCHEMA {schema} TO {role};
        GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};
    END IF;
END $$
"""
_END_SESSIONS = """
SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE usename = %s
"""


def make_reader(dataset_url: str, role: str) -> None:
    """Make a role that may read nothing yet and not log in, or leave one that is there as it is.

    Raises `PermanentError` if the deployment's role may not make roles, `TransientError` if the
    database cannot be reached.
    """
    with _connected(dataset_url) as connection, connection.cursor() as cursor:
        make_turns(cursor)
        with connection:
            cursor.execute(hold_rights(role))
            _make_role(cursor, role)
            cursor.execute(hold_database_rights())
            cursor.execute(_NO_TEMPORARY_TABLES)


def let_in(dataset_url: str, role: str, password: str) -> None:
    """Let a role of `make_reader` log in with a password, which ends its old one.

    Raises as `make_reader`.
    """
    with _connected(dataset_url) as connection, connection.cursor() as cursor:
        # As a verifier, since statements may be logged.
        verifier = encrypt_password(password, role, connection, "scram-sha-256")
        names = {"role": sql.Identifier(role), "verifier": sql.Literal(verifier)}
        cursor.execute(sql.SQL("ALTER ROLE {role} LOGIN PASSWORD {verifier}").format(**names))


def let_read(dataset_url: str, role: str, schemas: Iterable[str]) -> None:
    """Let a role read these schemas, as far as they are there; raises as `make_reader`.

    The role has been committed by now: who makes a schema from here on finds it, and grants it that
    schema. So none is missed if the schemas are listed after `make_reader`.
    """
    with _connected(dataset_url) as connection, connection.cursor() as cursor:
        make_turns(cursor)
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", (list(schemas),))
        for (schema,) in cursor.fetchall():
            grant_schema(cursor, role, schema)


def grant_schema(cursor: Cursor, role: str, schema: str) -> None:
    """Let a role read all tables of a schema, those to come too, if there is such a role.

    Other changes of the role's rights wait until the transaction ends; `make_turns` came before.
    """
    names = {
        "hold": hold_rights(role),
        "name": sql.Literal(role),
        "schema": sql.Identifier(schema),
        "role": sql.Identifier(role),
    }
    cursor.execute(sql.SQL(_GRANT).format(**names))


def revoke_reader(dataset_url: str, role: str) -> bool:
    """End a role: it cannot log in, its connections end, its rights and itself are gone.

    Returns whether there was one; what is cut off is completed by a repeat. Raises as
    `make_reader`.
    """
    with _connected(dataset_url) as connection, connection.cursor() as cursor:
        cursor.execute(_ROLE_IS_THERE, (role,))
        if not cursor.rowcount:
            return False
        name = sql.Identifier(role)
        # First and by itself, so that no connection comes after those that are ended.
        cursor.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(name))
        for wait in (0, _END_MILLISECONDS):
            cursor.execute(_END_SESSIONS, (wait, role))
        make_turns(cursor)
        with connection:
            cursor.execute(hold_rights(role))
            cursor.execute(sql.SQL("DROP OWNED BY {}").format(name))
        # It may have rights in another database of the server, where datasets were before.
        with suppress(DependentObjectsStillExist):
            cursor.execute(sql.SQL("DROP ROLE {}").format(name))
    return True


@contextmanager
def _connected(dataset_url: str) -> Generator[Connection]:
    """Yield a connection that commits each statement; raises as `make_reader`."""
    lines = Lines()
    try:
        with lines.watched(), closing(connect(lines, dataset_url)) as connection:
            connection.autocommit = True
            yield connection
    except InsufficientPrivilege:
        raise PermanentError(
            "This deployment's role may not make roles in the datasets' database: whoever runs it"
            " has to grant it CREATEROLE.",
            code=ConfigurationError.code,
        ) from None
    except psycopg2.Error as error:
        raise TransientError(
            f"The datasets' database did not answer ({type(error).__name__}).",
            code=Reason.DATASET_UNAVAILABLE,
        ) from None


def _make_role(cursor: Cursor, role: str) -> None:
    name = sql.Identifier(role)
    cursor.execute(_ROLE_IS_THERE, (role,))
    verb = sql.SQL("ALTER" if cursor.rowcount else "CREATE")
    cursor.execute(
        sql.SQL("{} ROLE {} NOINHERIT CONNECTION LIMIT {}").format(
            verb, name, sql.Literal(_MOST_CONNECTIONS)
        )
    )
    # Who ends its connections, and takes back its rights, has to be of it.
    cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    for setting, value in _SETTINGS:
        cursor.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(
                name, sql.Identifier(setting), sql.Literal(value)
            )
        )
