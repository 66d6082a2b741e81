"""Pause and resume a schedule: its periods are skipped meanwhile, and resuming fires no backlog."""

from datetime import datetime
from typing import Any
from uuid import UUID

from shared.domain.access import Principal
from shared.domain.run import Reason
from shared.domain.schedule import UNTIL_RESUMED
from shared.errors import InvalidInputError, Problem
from shared.flow.premises import Premise, any_state
from shared.flow.replan import replan
from shared.flow.schedules import Planner, finish_change, require_schedule
from shared.store.cancel import lock_run_in_progress
from shared.store.rows import Row
from shared.store.schedules import update_schedule
from shared.store.ticks import as_of
from shared.store.workspaces import lock_workspace


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
    return _set(planner, principal, schedule, pause, Reason.PAUSED, premise, now)


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
    no_pause = {"paused_until": None, "pause_note": None}
    return _set(planner, principal, schedule, no_pause, Reason.SCHEDULE_CHANGED, premise, now)


def _set(
    planner: Planner,
    principal: Principal,
    schedule: UUID,
    pause: dict[str, Any],
    reason: Reason,
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
            lock_run_in_progress(connection, row["connector_id"])
            planned = replan(
                connection,
                [row["id"]],
                now=at,
                look_ahead=planner.look_ahead,
                reason=reason,
                halted_until=until,
                change=lambda: update_schedule(connection, row["id"], pause),
            )
    return finish_change(planner, principal, schedule, planned, at)
