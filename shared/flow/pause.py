"""Pause and resume a schedule: its periods are skipped meanwhile, and resuming fires no backlog."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from shared.domain.access import Principal
from shared.domain.run import Reason
from shared.domain.schedule import UNTIL_RESUMED
from shared.errors import InvalidInputError, Problem
from shared.flow.audit import schedule_change
from shared.flow.premises import Premise, any_state
from shared.flow.replan import replan
from shared.flow.schedules import Planner, finish_change, require_schedule
from shared.store.audit import append_audit
from shared.store.cancel import lock_runs_in_progress
from shared.store.rows import Row
from shared.store.schedules import find_schedules, update_schedules
from shared.store.ticks import as_of
from shared.store.workspaces import lock_workspace

_NO_PAUSE: Mapping[str, Any] = {"paused_until": None, "pause_note": None}


def pause_schedule(
    planner: Planner,
    principal: Principal,
    schedule: UUID,
    *,
    until: datetime | None,
    note: str | None,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """Skip the schedule's periods before `until`, or until somebody resumes it when None.

    Runs that did not start, and would before it, are cancelled. Raises `InvalidInputError` for an
    instant that has passed, `NotFoundError`, or what `premise` raises.
    """
    pause = {"paused_until": until or UNTIL_RESUMED, "pause_note": note}
    return _set(planner, principal, schedule, pause, premise, now)


def resume_schedule(
    planner: Planner,
    principal: Principal,
    schedule: UUID,
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """End a pause now; a schedule that is not paused stays as it is.

    Raises `NotFoundError`, or what `premise` raises.
    """
    return _set(planner, principal, schedule, _NO_PAUSE, premise, now)


def set_pauses(
    planner: Planner,
    principal: Principal,
    schedules: Sequence[UUID],
    *,
    until: datetime | None,
    note: str | None,
) -> tuple[Mapping[UUID, bool], int]:
    """Pause some schedules alike until then, or resume them when it is None, in one transaction.

    Returns those that are there, with whether it changed them, and how many runs are planned now:
    whoever calls has them enqueued. `until` is to come.
    """
    pause = _NO_PAUSE if until is None else {"paused_until": until, "pause_note": note}
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        rows = find_schedules(connection, principal.workspace_id, schedules)
        changed = [row for row in rows.values() if is_changed(row, until, note)]
        at = as_of(connection, None)
        planned = _replan(connection, planner, principal, changed, pause, at) if changed else 0
    keys = {row["id"] for row in changed}
    return {schedule: row["id"] in keys for schedule, row in rows.items()}, planned


def is_changed(row: Row, until: datetime | None, note: str | None) -> bool:
    """Tell whether a pause until then changes a schedule, or a resumption when it is None."""
    if until is None:
        return row["paused_until"] is not None
    return (row["paused_until"], row["pause_note"]) != (until, note)


def _set(
    planner: Planner,
    principal: Principal,
    schedule: UUID,
    pause: Mapping[str, Any],
    premise: Premise,
    now: datetime | None,
) -> Row:
    planned, until = 0, pause["paused_until"]
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        row = require_schedule(connection, principal, schedule)
        premise(row)
        at = as_of(connection, now)
        if until is not None and until <= at:
            raise InvalidInputError(
                Problem(
                    "until",
                    "pause_until_passed",
                    "it has passed already",
                    "Name an instant to come, or leave it out to pause until resumed.",
                )
            )
        if until is not None or row["paused_until"] is not None:
            planned = _replan(connection, planner, principal, [row], pause, at)
    return finish_change(planner, principal, schedule, planned, at)


def _replan(
    connection: Connection,
    planner: Planner,
    principal: Principal,
    rows: Sequence[Row],
    pause: Mapping[str, Any],
    now: datetime,
) -> int:
    """Pause or resume schedules of these rows, and return how many runs are planned then."""
    until, ids = pause["paused_until"], [row["id"] for row in rows]
    lock_runs_in_progress(connection, [row["connector_id"] for row in rows])
    planned = replan(
        connection,
        ids,
        now=now,
        look_ahead=planner.look_ahead,
        reason=Reason.SCHEDULE_CHANGED if until is None else Reason.PAUSED,
        halted_until=until,
        change=lambda: update_schedules(connection, ids, dict(pause)),
    )
    action = "resume_schedule" if until is None else "pause_schedule"
    changes = [schedule_change(action, row, {**row, **pause}, now=now) for row in rows]
    append_audit(connection, principal.workspace_id, principal.actor, *changes)
    return planned
