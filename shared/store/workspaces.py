"""Workspaces."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from shared.domain.workspace import WorkspaceState, require_active
from shared.store.rows import Row
from shared.store.tables import sync_schedule, workspace

_STATE = (workspace.c.disabled_at, workspace.c.deleted_at)


def insert_workspace(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a workspace and return its key."""
    return connection.execute(
        insert(workspace).values(values).returning(workspace.c.id)
    ).scalar_one()


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
    return WorkspaceState.DELETED if row is None else state_of(row)


def update_workspace(connection: Connection, workspace_id: int, values: dict[str, Any]) -> None:
    """Change some columns of a workspace."""
    connection.execute(update(workspace).where(workspace.c.id == workspace_id).values(values))


def lock_workspaces_of(connection: Connection, schedule_ids: Sequence[int]) -> None:
    """Hold the workspaces of these schedules, as `lock_workspace` holds one."""
    owners = select(sync_schedule.c.workspace_id).where(sync_schedule.c.id.in_(schedule_ids))
    query = select(workspace.c.id).where(workspace.c.id.in_(owners)).order_by(workspace.c.id)
    connection.execute(query.with_for_update(key_share=True)).all()


def state_of(row: Row) -> WorkspaceState:
    """Return the state of a workspace from a row with its two instants."""
    if row["deleted_at"] is not None:
        return WorkspaceState.DELETED
    return WorkspaceState.ACTIVE if row["disabled_at"] is None else WorkspaceState.DISABLED
