"""Create and delete blackout windows: what was planned ahead is planned anew at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shared.domain.access import Principal
from shared.domain.blackout import BlackoutWindow, blackout_at, free_start, is_readable
from shared.domain.blackout_rules import (
    MAX_WINDOWS,
    BlackoutCode,
    WantedWindow,
    parse_window,
    require_room,
)
from shared.domain.run import Reason
from shared.domain.schedule import BlackoutPolicy
from shared.domain.spread import spread_offset
from shared.errors import ConflictError, NotFoundError
from shared.flow.audit import append_change, window_change
from shared.flow.premises import Premise, any_state
from shared.flow.replan import replan_workspace
from shared.flow.schedules import Planner, enqueue_planned
from shared.store.blackouts import (
    delete_window,
    find_window,
    insert_window,
    list_windows,
    to_window,
    windows_of,
)
from shared.store.rows import Row
from shared.store.runs import move_starts, runs_yet_to_start
from shared.store.ticks import as_of
from shared.store.unread import look_soon
from shared.store.violations import violation_of
from shared.store.workspaces import lock_workspace

_PAGE = 10_000
"""A workspace has fewer runs that wait for their start; more would keep theirs."""


def create_blackout_window(
    planner: Planner,
    principal: Principal,
    wanted: WantedWindow,
    *,
    public_id: UUID | None = None,
    now: datetime | None = None,
) -> Row:
    """Create a window of the caller's workspace.

    Given a `public_id` that it has already, it was created before and is returned.

    Raises `InvalidInputError` naming each wrong field, also for a window that would leave no time
    for syncs; `ConflictError` for a name that the workspace uses already, or for one too many.
    """
    window = parse_window(wanted, principal.workspace_timezone)
    try:
        with planner.engine.begin() as connection:
            lock_workspace(connection, principal.workspace_id)
            before = public_id and find_window(connection, principal.workspace_id, public_id)
            if before:
                return before
            at = as_of(connection, now)
            existing = [to_window(row) for row in list_windows(connection, principal.workspace_id)]
            _require_number(existing)
            existing = [one for one in existing if is_readable(one)]
            require_room(existing, window, at)
            row = insert_window(connection, principal.workspace_id, window, public_id=public_id)
            planned = _replan(connection, planner, principal, at)
            change = window_change("create_blackout_window", None, row)
            append_change(connection, principal, change)
    except IntegrityError as error:
        if violation_of(error).constraint == "one_blackout_window_per_name":
            raise ConflictError(
                f"This workspace has a blackout window named {window.name!r} already.",
                code="name_taken",
            ) from error
        raise
    enqueue_planned(planner, principal, planned, at)
    return row


def delete_blackout_window(
    planner: Planner,
    principal: Principal,
    public_id: UUID,
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> None:
    """Delete a window of the caller's workspace; raise `NotFoundError` if there is none."""
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        at = as_of(connection, now)
        row = delete_window(connection, principal.workspace_id, public_id)
        if row is None:
            raise NotFoundError("There is no such blackout window.")
        premise(row)
        planned = _replan(connection, planner, principal, at)
        # A window without an end kept runs for what sources reported from being written at all.
        look_soon(connection, principal.workspace_id, at)
        change = window_change("delete_blackout_window", row, None)
        append_change(connection, principal, change)
    enqueue_planned(planner, principal, planned, at)


def _require_number(existing: Sequence[BlackoutWindow]) -> None:
    if len(existing) >= MAX_WINDOWS:
        raise ConflictError(
            f"This workspace has {MAX_WINDOWS} blackout windows, the most that it may have:"
            " delete those that are over.",
            code=BlackoutCode.TOO_MANY,
        )


def _replan(connection: Connection, planner: Planner, principal: Principal, now: datetime) -> int:
    """Plan anew what the workspace's schedules had planned ahead; return how many runs."""
    planned = replan_workspace(
        connection,
        principal.workspace_id,
        now=now,
        look_ahead=planner.look_ahead,
        reason=Reason.BLACKOUT_CHANGED,
    )
    return planned + _move_starts(connection, principal.workspace_id, now)


def _move_starts(connection: Connection, workspace_id: int, now: datetime) -> int:
    """Move the starts of runs that spread or a window delayed; return how many moved.

    A run for what a source reported is due at once.
    """
    windows = windows_of(connection, [workspace_id]).get(workspace_id, ())
    starts: dict[int, datetime] = {}
    for run in runs_yet_to_start(connection, workspace_id, now=now, page=_PAGE):
        spread = timedelta(seconds=run["spread_seconds"])
        offset = spread_offset(run["connector_public_id"], spread)
        due_at = now if run["period_at"] is None else _due_at(run, windows) + offset
        start = free_start(windows, due_at, now)
        if start is not None and start != run["not_before_at"]:
            starts[run["id"]] = start
    return move_starts(connection, starts, now=now) if starts else 0


def _due_at(run: Row, windows: Sequence[BlackoutWindow]) -> datetime:
    """Return when a run comes due: at its period, or at the end of the window that moves it."""
    period_at: datetime = run["period_at"]
    if run["blackout_policy"] == BlackoutPolicy.MOVE:
        blackout = blackout_at(windows, period_at)
        if blackout is not None and blackout.ends_at is not None:
            return blackout.ends_at
    return period_at
