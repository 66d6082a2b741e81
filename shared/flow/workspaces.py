"""Disable, enable and delete workspaces: an operator's acts, each safe to be cut off and repeated.

A workspace may have any number of schedules and runs, so that the work goes by pages. Its state
changes first: from then on its callers are refused and nothing of it starts.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from shared.domain.audit import OPERATOR, Actor, Change, ObjectKind
from shared.domain.run import Reason
from shared.domain.workspace import WorkspaceState
from shared.errors import ConflictError, NotFoundError
from shared.flow.datasets import end_reader
from shared.flow.replan import plan_ahead, settle
from shared.logs import log_event
from shared.store.audit import append_audit
from shared.store.cancel import cancel_runs, unfinished_runs_of_workspace
from shared.store.connectors import delete_credentials
from shared.store.hooks import delete_endpoints_of_workspace
from shared.store.oauth_states import delete_states_of_workspace
from shared.store.schedules import clear_marks, find_marked_schedules, find_unmarked_schedules
from shared.store.ticks import as_of
from shared.store.unread import forget_unread_of_workspace
from shared.store.workspaces import lock_workspace_state, update_workspace

_log = logging.getLogger(__name__)
_SCHEDULES = 500
_RUNS = 1_000
_NOW = timedelta(0)


def disable_workspace(
    engine: Engine, workspace_id: int, *, by: Actor = OPERATOR, now: datetime | None = None
) -> int:
    """Let nothing of a workspace be planned or started until it is enabled.

    Whatever waits or is in progress is cancelled; returns how many runs. Its schedules have no
    periods meanwhile. Raises `NotFoundError` if it is deleted, `ConflictError` if somebody enables
    it at the same time.
    """
    ended = _close(engine, workspace_id, Reason.WORKSPACE_DISABLED, by, now)
    _log_act("workspace_disabled", "A workspace was disabled", workspace_id, ended)
    return ended


def delete_workspace(
    engine: Engine,
    workspace_id: int,
    dataset_url: str,
    *,
    by: Actor = OPERATOR,
    now: datetime | None = None,
) -> int:
    """Delete a workspace: it is disabled first, and in the end its callers are nobody's any more.

    Returns how many runs were cancelled. Its rows and its datasets stay, the secrets of its
    connectors and the login that reads its datasets do not. Raises as `disable_workspace`, and as
    `end_reader`, whereafter a repeat completes it.
    """
    ended = _close(engine, workspace_id, Reason.WORKSPACE_DELETED, by, now)
    # Nobody can ask for another one: its callers are refused by now.
    end_reader(engine, dataset_url, workspace_id)
    with engine.begin() as connection:
        _require(connection, workspace_id, WorkspaceState.DISABLED)
        delete_credentials(connection, workspace_id)
        delete_states_of_workspace(connection, workspace_id)
        delete_endpoints_of_workspace(connection, workspace_id)
        forget_unread_of_workspace(connection, workspace_id)
        at = as_of(connection, now)
        update_workspace(connection, workspace_id, {"deleted_at": at})
        _append(connection, workspace_id, by, "delete_workspace", {"deleted_at": at})
    _log_act("workspace_deleted", "A workspace was deleted", workspace_id, ended)
    return ended


def enable_workspace(
    engine: Engine, workspace_id: int, *, by: Actor = OPERATOR, now: datetime | None = None
) -> None:
    """End the disabling of a workspace: its schedules are planned from now on, without a backlog.

    The next tick makes the first tasks. Raises `NotFoundError` if it is deleted, `ConflictError` if
    somebody disables it at the same time.
    """
    with engine.begin() as connection:
        state = _require(connection, workspace_id, WorkspaceState.ACTIVE, WorkspaceState.DISABLED)
        if state is WorkspaceState.DISABLED:
            update_workspace(connection, workspace_id, {"disabled_at": None})
            _append(connection, workspace_id, by, "enable_workspace", {"disabled_at": None})
    last: int | None = 0
    while last is not None:
        with engine.begin() as connection:
            _require(connection, workspace_id, WorkspaceState.ACTIVE)
            ids = find_unmarked_schedules(connection, workspace_id, after_id=last, page=_SCHEDULES)
            plan_ahead(connection, ids, as_of(connection, now), _NOW)
        last = ids[-1] if ids else None
    _log_act("workspace_enabled", "A workspace was enabled", workspace_id)


def _close(
    engine: Engine, workspace_id: int, reason: Reason, by: Actor, now: datetime | None
) -> int:
    """Disable a workspace if it is not yet, and end what it has under way; return how many runs."""
    with engine.begin() as connection:
        state = _require(connection, workspace_id, WorkspaceState.ACTIVE, WorkspaceState.DISABLED)
        if state is WorkspaceState.ACTIVE:
            at = as_of(connection, now)
            update_workspace(connection, workspace_id, {"disabled_at": at})
            _append(connection, workspace_id, by, "disable_workspace", {"disabled_at": at})
    # Schedules first: a tick that is planning them at this moment is waited for.
    _forget_schedules(engine, workspace_id, now)
    return _cancel_all(engine, workspace_id, reason, now)


def _forget_schedules(engine: Engine, workspace_id: int, now: datetime | None) -> None:
    last: int | None = 0
    while last is not None:
        with engine.begin() as connection:
            _require(connection, workspace_id, WorkspaceState.DISABLED)
            ids = find_marked_schedules(connection, workspace_id, after_id=last, page=_SCHEDULES)
            settle(connection, ids, as_of(connection, now))
            clear_marks(connection, ids)
        last = ids[-1] if ids else None


def _cancel_all(engine: Engine, workspace_id: int, reason: Reason, now: datetime | None) -> int:
    ended, is_more = 0, True
    while is_more:
        with engine.begin() as connection:
            _require(connection, workspace_id, WorkspaceState.DISABLED)
            ids = unfinished_runs_of_workspace(connection, workspace_id, page=_RUNS)
            ended += cancel_runs(connection, ids, reason, now=as_of(connection, now))
        is_more = len(ids) == _RUNS
    return ended


def _require(connection: Connection, workspace_id: int, *wanted: WorkspaceState) -> WorkspaceState:
    """Hold a workspace and return its state; raise an error for one that is not wanted."""
    state = lock_workspace_state(connection, workspace_id)
    if state is WorkspaceState.DELETED:
        raise NotFoundError("There is no such workspace.")
    if state not in wanted:
        raise ConflictError(
            f"Somebody else changed the workspace at the same time: it is {state} now.",
            code="workspace_changed",
        )
    return state


def _append(
    connection: Connection, workspace_id: int, by: Actor, action: str, after: Mapping[str, object]
) -> None:
    append_audit(connection, workspace_id, by, Change(action, ObjectKind.WORKSPACE, after=after))


def _log_act(event: str, sentence: str, workspace_id: int, ended: int | None = None) -> None:
    log_event(_log, logging.INFO, event, sentence, workspace_id=workspace_id, runs_cancelled=ended)
