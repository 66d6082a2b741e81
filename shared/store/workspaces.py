"""Workspaces and their API keys."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from shared.domain.access import Principal, Role
from shared.domain.api_keys import ApiKey
from shared.domain.workspace import WorkspaceState, require_active
from shared.store.rows import Row
from shared.store.tables import api_key, sync_schedule, workspace

_STATE = (workspace.c.disabled_at, workspace.c.deleted_at)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a key speaks for, and whether their workspace works."""

    principal: Principal
    workspace: WorkspaceState


def insert_workspace(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a workspace and return its key."""
    return connection.execute(
        insert(workspace).values(values).returning(workspace.c.id)
    ).scalar_one()


def insert_api_key(
    connection: Connection,
    workspace_id: int,
    key: ApiKey,
    *,
    name: str,
    role: Role,
    expires_at: datetime | None,
) -> None:
    """Store a key's prefix and hash."""
    connection.execute(
        insert(api_key).values(
            workspace_id=workspace_id,
            name=name,
            prefix=key.prefix,
            secret_hash=key.secret_hash,
            role=role,
            expires_at=expires_at,
        )
    )


def find_workspace_id(connection: Connection, slug: str) -> int | None:
    """Return the key of the live workspace of that slug."""
    query = (
        select(workspace.c.id)
        .where(workspace.c.slug == slug)
        .where(workspace.c.deleted_at.is_(None))
    )
    return connection.execute(query).scalar_one_or_none()


def lock_workspace(connection: Connection, workspace_id: int) -> None:
    """Let what changes a workspace's schedules happen one after the other, and not with leases.

    A lease locks its run before its schedule, a change its schedule before the runs: whoever holds
    the workspace, as leases do, cannot meet one halfway. Raises as `require_active` does: a caller
    may have been let in just before the workspace was disabled.
    """
    require_active(lock_workspace_state(connection, workspace_id))


def lock_workspace_state(connection: Connection, workspace_id: int) -> WorkspaceState:
    """Hold a workspace as `lock_workspace` does, and return its state; for operators."""
    query = select(*_STATE).where(workspace.c.id == workspace_id)
    row = connection.execute(query.with_for_update(key_share=True)).mappings().one_or_none()
    return WorkspaceState.DELETED if row is None else _state(row)


def update_workspace(connection: Connection, workspace_id: int, values: dict[str, Any]) -> None:
    """Change some columns of a workspace."""
    connection.execute(update(workspace).where(workspace.c.id == workspace_id).values(values))


def lock_workspaces_of(connection: Connection, schedule_ids: Sequence[int]) -> None:
    """Hold the workspaces of these schedules, as `lock_workspace` holds one."""
    owners = select(sync_schedule.c.workspace_id).where(sync_schedule.c.id.in_(schedule_ids))
    query = select(workspace.c.id).where(workspace.c.id.in_(owners)).order_by(workspace.c.id)
    connection.execute(query.with_for_update(key_share=True)).all()


def find_api_key(connection: Connection, key: ApiKey) -> Row | None:
    """Return id, workspace_id and role of a key; None if it is unknown, wrong, expired or revoked.

    The connection is of `presenting(engine, key.secret_hash)`: whose key it is is not known yet.
    """
    query = (
        select(api_key.c.id, api_key.c.workspace_id, api_key.c.role, api_key.c.secret_hash)
        .where(api_key.c.prefix == key.prefix)
        .where(api_key.c.revoked_at.is_(None))
        .where(or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > func.now()))
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None or not hmac.compare_digest(row["secret_hash"], key.secret_hash):
        return None
    return row


def find_caller(connection: Connection, found: Row) -> Caller:
    """Return whom a key of `find_api_key` speaks for, on a connection of its workspace."""
    query = select(workspace.c.timezone, workspace.c.minimum_interval_seconds, *_STATE)
    one = query.where(workspace.c.id == found["workspace_id"])
    row = connection.execute(one).mappings().one()
    principal = Principal(
        workspace_id=found["workspace_id"],
        workspace_timezone=row["timezone"],
        minimum_interval_seconds=row["minimum_interval_seconds"],
        api_key_id=found["id"],
        role=Role(found["role"]),
    )
    return Caller(principal, _state(row))


def find_name_of(connection: Connection, principal: Principal) -> str | None:
    """Return the name by which people know a caller: that of its key, if it has one."""
    query = (
        select(api_key.c.name)
        .where(api_key.c.workspace_id == principal.workspace_id)
        .where(api_key.c.id == principal.api_key_id)
    )
    return connection.execute(query).scalar_one_or_none()


def note_key_used(connection: Connection, key_id: int) -> None:
    """Move a key's `last_used_at`, at most once a minute, so that reading stays reading."""
    stale = func.now() - timedelta(minutes=1)
    connection.execute(
        update(api_key)
        .where(api_key.c.id == key_id)
        .where(or_(api_key.c.last_used_at.is_(None), api_key.c.last_used_at < stale))
        .values(last_used_at=func.now())
    )


def _state(row: Row) -> WorkspaceState:
    if row["deleted_at"] is not None:
        return WorkspaceState.DELETED
    return WorkspaceState.ACTIVE if row["disabled_at"] is None else WorkspaceState.DISABLED
