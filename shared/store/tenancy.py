"""For whom the statements of an engine are: one workspace, the holder of a key, or nobody yet.

The database shows a function's login the rows of the workspace that its transaction names, and
nothing when it names none. The name is given in one place: an engine made here.
"""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

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
    return DatabaseRole.APP if function == "api" else DatabaseRole.SYSTEM


def speaking_for(engine: Engine, workspace_id: int) -> Engine:
    """Return the same engine, whose every transaction is one of this workspace."""
    return _with_setting(engine, LocalSetting("syncline.workspace_id", str(int(workspace_id))))


def presenting(engine: Engine, secret_hash: bytes) -> Engine:
    """Return the same engine, which sees the API key of this hash and nothing else."""
    return _with_setting(engine, LocalSetting("syncline.key_hash", secret_hash.hex()))


def addressing(engine: Engine, endpoint: UUID) -> Engine:
    """Return the same engine, which sees the webhook endpoint of this public id, nothing else."""
    return _with_setting(engine, LocalSetting("syncline.endpoint", endpoint.hex))


def name_whom_it_is_for(connection: Connection) -> None:
    """Let the transaction that begins be for whom its engine is; a listener of `begin`."""
    driver: Any = connection.connection.dbapi_connection
    driver.local_setting = connection.get_execution_options().get(_OPTION)


def require_harmless_login(role: DatabaseRole, driver: Any) -> None:
    """Raise `ConfigurationError` if a function must not work with the login of a connection.

    One that row-level security does not bind, that is not a member of `role`, that could act as
    a wider one, or any at all while a tenant's table does not force row-level security.
    """
    driver.autocommit = True
    cursor = driver.cursor()
    cursor.execute(load_sql("login").text)
    [(is_unbound, is_app, is_system, unforced)] = cursor.fetchall()
    cursor.close()
    driver.autocommit = False
    sentence = _trouble_of(role, is_unbound=is_unbound, is_app=is_app, is_system=is_system)
    if sentence is None and unforced:
        sentence = (
            f"The table {unforced[0]} does not force row-level security: migrate the database with"
            " this version of Syncline, or run ALTER TABLE … FORCE ROW LEVEL SECURITY."
        )
    if sentence is not None:
        raise ConfigurationError(f"{sentence} docs/database-roles.md says how.")


def _trouble_of(
    role: DatabaseRole, *, is_unbound: bool, is_app: bool, is_system: bool
) -> str | None:
    if is_unbound:
        return (
            "The database login of this function is a superuser, may bypass row-level security, or"
            f" owns Syncline's tables: give it one that is a member of {role} and of nothing else."
        )
    if role is DatabaseRole.APP and is_system:
        return (
            "The database login of the api is a member of syncline_system, which sees every"
            " workspace: revoke that, or give the api a login of its own."
        )
    if not (is_app if role is DatabaseRole.APP else is_system):
        return (
            f"The database login of this function is no member of {role}: migrate the database,"
            f" then run GRANT {role} TO that login."
        )
    return None


def _with_setting(engine: Engine, setting: LocalSetting) -> Engine:
    return engine.execution_options(**{_OPTION: setting})
