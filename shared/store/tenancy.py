"""For whom the statements of an engine are: one workspace, whoever shows a key or token, or nobody.

The database shows a function's login the rows of the workspace that its transaction names, and
nothing when it names none. The name is given in one place: an engine made here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.domain.members import Identity
from shared.errors import ConfigurationError
from shared.store.driver import LocalSetting
from shared.store.sql import load_sql

_OPTION = "syncline_local_setting"


class DatabaseRole(StrEnum):
    """What a function's login is a member of: APP sees one workspace at a time, SYSTEM all."""

    APP = "syncline_app"
    SYSTEM = "syncline_system"


def role_of(function: str) -> DatabaseRole:
    """Return what the login of a function has to be a member of."""
    match function:
        case "api" | "oauth_callback":
            return DatabaseRole.APP
        case _:
            return DatabaseRole.SYSTEM


def speaking_for(engine: Engine, workspace_id: int) -> Engine:
    """Return the same engine, whose every transaction is one of this workspace."""
    return _with_setting(engine, LocalSetting("syncline.workspace_id", str(int(workspace_id))))


def presenting(engine: Engine, secret_hash: bytes) -> Engine:
    """Return the same engine, which sees the API key of this hash, its workspace, nothing else."""
    return _with_setting(engine, LocalSetting("syncline.key_hash", secret_hash.hex()))


def identified(engine: Engine, identity: Identity) -> Engine:
    """Return the same engine, which sees the memberships of a person and nothing else.

    Also what their address is invited to, if it is verified, and the workspaces of both.
    """
    parts = (identity.issuer, identity.subject, identity.email or "")
    return _with_setting(engine, LocalSetting("syncline.identity", "\n".join(parts).encode().hex()))


def addressing(engine: Engine, endpoint: UUID) -> Engine:
    """Return the same engine, which sees the webhook endpoint of this public id, nothing else."""
    return _with_setting(engine, LocalSetting("syncline.endpoint", endpoint.hex))


def returning(engine: Engine, state_hash: bytes) -> Engine:
    """Return the same engine, which sees the authorization of this state and nothing else."""
    return _with_setting(engine, LocalSetting("syncline.state_hash", state_hash.hex()))


def name_whom_it_is_for(connection: Connection) -> None:
    """Let the transaction that begins be for whom its engine is; a listener of `begin`."""
    driver: Any = connection.connection.dbapi_connection
    driver.local_setting = connection.get_execution_options().get(_OPTION)


@dataclass(frozen=True, slots=True)
class _Login:
    """What `login.sql` answers: what a login is, and the first table that is amiss."""

    is_unbound: bool
    may_make_roles: bool
    may_make_tables: bool
    roles: list[str]
    unforced: list[str]
    misowned: list[str]


def require_harmless_login(role: DatabaseRole, driver: Any) -> None:
    """Raise `ConfigurationError` if a function must not work with the login of a connection.

    One that row-level security does not bind, that is not a member of `role` and of no other role
    of ours, that could make itself more than that, or any at all while a tenant's table does not
    force row-level security or has policies for another owner.
    """
    driver.autocommit = True
    cursor = driver.cursor()
    cursor.execute(load_sql("login").text)
    [row] = cursor.fetchall()
    cursor.close()
    driver.autocommit = False
    sentence = _trouble_of(role, _Login(*row))
    if sentence is not None:
        raise ConfigurationError(f"{sentence} docs/database-roles.md says how.")


def _trouble_of(role: DatabaseRole, login: _Login) -> str | None:
    others = [one for one in login.roles if one != role]
    if login.is_unbound:
        return (
            "The database login of this function is a superuser, may bypass row-level security, or"
            f" owns Syncline's tables: give it one that is a member of {role} and of nothing else."
        )
    if login.may_make_roles:
        return (
            "The database login of this function may make roles, and so grant itself any: run ALTER"
            " ROLE … NOCREATEROLE, or revoke the role by which it may."
        )
    if others:
        return (
            f"The database login of this function is a member of {others[0]}, which has rights that"
            " this function must not have: revoke that, or give it a login of its own."
        )
    if role not in login.roles:
        return (
            f"The database login of this function is no member of {role}: migrate the database,"
            f" then run GRANT {role} TO that login."
        )
    return _trouble_of_tables(login)


def _trouble_of_tables(login: _Login) -> str | None:
    if login.may_make_tables:
        return (
            "The database login of this function may make tables beside Syncline's own: run REVOKE"
            " CREATE ON SCHEMA public FROM that login and from PUBLIC."
        )
    if login.unforced:
        return (
            f"The table {login.unforced[0]} does not force row-level security: migrate the database"
            " with this version of Syncline, or run ALTER TABLE … FORCE ROW LEVEL SECURITY."
        )
    if login.misowned:
        return (
            f"The table {login.misowned[0]} has another owner than its policies name: run the"
            " migrations again, as the owner, which lets the policies name the new one."
        )
    return None


def _with_setting(engine: Engine, setting: LocalSetting) -> Engine:
    return engine.execution_options(**{_OPTION: setting})
