"""Roles that read the datasets of one workspace and nothing else, for people and their tools."""

from collections.abc import Iterable
from contextlib import closing

import psycopg2
from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import encrypt_password

from shared.connectors.postgres import connect
from shared.domain.run import Reason
from shared.egress.lines import Lines
from shared.errors import PermanentError, TransientError

_MOST_CONNECTIONS = 20
_SETTINGS = (
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "15min"),
    ("idle_in_transaction_session_timeout", "15min"),
)
_GRANT = """
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}
"""


def make_reader(dataset_url: str, role: str, password: str, schemas: Iterable[str]) -> None:
    """Let a role log in with a password, new or in place of its old one, and read these schemas.

    Schemas that are not there yet are left out: a load that makes one grants it. Raises
    `PermanentError` if the deployment's role may not make roles, `TransientError` if the database
    cannot be reached.
    """
    lines = Lines()
    try:
        with (
            lines.watched(),
            closing(connect(lines, dataset_url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            # As a verifier, since statements may be logged.
            verifier = encrypt_password(password, role, connection, "scram-sha-256")
            _make_role(cursor, role, verifier)
            _grant_present(cursor, role, schemas)
    except InsufficientPrivilege:
        raise PermanentError(
            "This deployment's role may not make roles in the datasets' database: whoever runs it"
            " has to grant it CREATEROLE.",
            code=Reason.CONFIGURATION,
        ) from None
    except psycopg2.Error as error:
        raise TransientError(
            f"The datasets' database did not answer ({type(error).__name__}).",
            code=Reason.DATASET_UNAVAILABLE,
        ) from None


def grant_schema(cursor: Cursor, role: str, schema: str) -> None:
    """Let a role read all tables of a schema, those to come too, if there is such a role."""
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
    if cursor.rowcount:
        names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
        cursor.execute(sql.SQL(_GRANT).format(**names))


def _make_role(cursor: Cursor, role: str, verifier: str) -> None:
    name = sql.Identifier(role)
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
    verb = sql.SQL("ALTER" if cursor.rowcount else "CREATE")
    cursor.execute(
        sql.SQL("{} ROLE {} LOGIN NOINHERIT CONNECTION LIMIT {} PASSWORD {}").format(
            verb, name, sql.Literal(_MOST_CONNECTIONS), sql.Literal(verifier)
        )
    )
    # Whoever holds a load's turn is ended by the load, which needs to be of its role.
    cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    for setting, value in _SETTINGS:
        cursor.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(
                name, sql.Identifier(setting), sql.Literal(value)
            )
        )


def _grant_present(cursor: Cursor, role: str, schemas: Iterable[str]) -> None:
    cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", (list(schemas),))
    for (schema,) in cursor.fetchall():
        grant_schema(cursor, role, schema)
