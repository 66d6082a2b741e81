"""Create and change schedules: every rule is checked, and the ledger stays whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from shared.domain.access import Principal
from shared.domain.local_time import load_zone
from shared.domain.recurrence import Recurrence, require_minimum_interval
from shared.domain.recurrence_code import RecurrenceCode
from shared.domain.run import Reason
from shared.domain.schedule import (
    Frequency,
    RecurrenceFields,
    build_recurrence,
    parse_frequency,
    unused_by,
)
from shared.errors import ConflictError, NotFoundError, RecurrenceError
from shared.flow.audit import append_change, schedule_change
from shared.flow.cancel import end_runs_of_schedule
from shared.flow.enqueue import enqueue_workspace
from shared.flow.premises import Premise, any_state
from shared.flow.replan import plan_ahead, replan
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.schedules import find_schedule, insert_schedule, update_schedule
from shared.store.ticks import as_of
from shared.store.violations import violation_of
from shared.store.workspaces import lock_workspace

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue


@dataclass(frozen=True, slots=True)
class Planner:
    """What changes of schedules work with: runs within `look_ahead` get their tasks at once."""

    engine: Engine
    open_queue: Callable[[], "CloudTasksQueue"]
    look_ahead: timedelta


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """What a person sets of a schedule; None in `timezone` means the workspace's own."""

    name: str
    description: str | None
    frequency: str
    timezone: str | None
    preferred_time: str | None
    preferred_day_of_week: str | None
    preferred_day_of_month: int | None
    cron_expression: str | None
    is_enabled: bool
    overlap_policy: str
    missed_run_policy: str
    catch_up_window_seconds: int
    spread_seconds: int
    max_attempts: int
    blackout_policy: str


SETTINGS = tuple(ScheduleSettings.__dataclass_fields__)
"""The names of the settings, which are also columns of the table."""

TIMING = tuple(RecurrenceFields.__dataclass_fields__)
"""Those of them that are timing."""

_MARKS = ("planned_through", "next_scheduled_at", "plan_error")

_NOT_PLANNED_BY = frozenset(
    {"name", "description", "overlap_policy", "catch_up_window_seconds", "max_attempts"}
)
"""Settings that say nothing about runs that are planned ahead."""


def create_schedule(
    planner: Planner,
    principal: Principal,
    connector: UUID,
    wanted: ScheduleSettings,
    *,
    public_id: UUID | None = None,
    now: datetime | None = None,
) -> Row:
    """Create the schedule of a connector; its first period is the next one after `now`.

    Given a `public_id` that it has already, it was created before and is returned.

    Raises `RecurrenceError` for a recurrence that cannot be, `NotFoundError` for a connector that
    is not there, `ConflictError` (one_schedule_per_integration) if it has a schedule already.
    """
    made, public_id = public_id, public_id or uuid4()
    try:
        with planner.engine.begin() as connection:
            lock_workspace(connection, principal.workspace_id)
            before = made and find_schedule(connection, principal.workspace_id, made)
            if before:
                return before
            row = find_connector(connection, principal.workspace_id, connector)
            if row is None:
                raise NotFoundError("There is no such connector.", code="foreign_key_integrity")
            at = as_of(connection, now)
            keys = {
                "public_id": public_id,
                "workspace_id": principal.workspace_id,
                "connector_id": row["id"],
            }
            columns = {**_columns(principal, wanted, at), **keys}
            key = insert_schedule(connection, columns)
            planned = plan_ahead(connection, [key], at, planner.look_ahead)
            after = {**columns, "connector_public_id": connector}
            change = schedule_change("create_schedule", None, after, now=at)
            append_change(connection, principal, change)
    except IntegrityError as error:
        if violation_of(error).constraint == "one_schedule_per_integration":
            raise ConflictError(
                "This connector has a schedule already; each has exactly one.",
                code="one_schedule_per_integration",
            ) from error
        raise
    return finish_change(planner, principal, public_id, planned, at)


def change_schedule(
    planner: Planner,
    principal: Principal,
    schedule: UUID,
    changes: Mapping[str, Any],
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """Change some settings of a schedule, by their names in `ScheduleSettings`.

    A new frequency clears the settings that it does not use, unless they are given. Whatever
    touches the timing recomputes it from `now` and cancels the runs planned ahead. Disabling it
    cancels whatever of it waits or is in progress, but for manual runs. Raises `RecurrenceError`,
    `NotFoundError`, or what `premise` raises.
    """
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        before = require_schedule(connection, principal, schedule)
        premise(before)
        at = as_of(connection, now)
        columns = _changed(principal, before, changes, at)
        runs = 0
        if columns.keys() <= _NOT_PLANNED_BY and before["plan_error"] is None:
            update_schedule(connection, before["id"], columns)
        elif columns.get("is_enabled", before["is_enabled"]):
            runs = replan(
                connection,
                [before["id"]],
                now=at,
                look_ahead=planner.look_ahead,
                reason=Reason.SCHEDULE_CHANGED,
                change=lambda: update_schedule(connection, before["id"], columns),
            )
        else:
            runs = end_runs_of_schedule(
                connection, before, Reason.SCHEDULE_DISABLED, at, spares_personal=True
            )
            update_schedule(connection, before["id"], columns)
        change = schedule_change("change_schedule", before, {**before, **columns}, now=at)
        append_change(connection, principal, change)
    return finish_change(planner, principal, schedule, runs, at)


def require_schedule(connection: Connection, principal: Principal, schedule: UUID) -> Row:
    """Return a schedule of the caller's workspace; raise `NotFoundError` if there is none."""
    row = find_schedule(connection, principal.workspace_id, schedule)
    if row is None:
        raise NotFoundError("There is no such schedule.")
    return row


def finish_change(
    planner: Planner, principal: Principal, schedule: UUID, runs: int, now: datetime
) -> Row:
    """Enqueue what a committed change allows, and return the schedule as it is then."""
    enqueue_planned(planner, principal, runs, now)
    with single_statements(planner.engine) as connection:
        return require_schedule(connection, principal, schedule)


def enqueue_planned(planner: Planner, principal: Principal, runs: int, now: datetime) -> None:
    """Enqueue what a committed change allows, if it planned or ended any runs.

    Those that it planned, and those that get the places of the ones that it ended.
    """
    if runs:
        enqueue_workspace(
            planner.engine,
            planner.open_queue,
            principal.workspace_id,
            now=now,
            horizon=now + planner.look_ahead,
        )


def _merged(before: Row, changes: Mapping[str, Any]) -> ScheduleSettings:
    values = {name: before[name] for name in SETTINGS}
    if changes.get("frequency", before["frequency"]) != before["frequency"]:
        values |= dict.fromkeys(unused_by(parse_frequency(changes["frequency"])))
    return replace(ScheduleSettings(**values), **changes)


def require_recurrence(
    principal: Principal, timing: Mapping[str, Any], now: datetime
) -> tuple[RecurrenceFields, Recurrence | None]:
    """Return the timing that somebody wants, checked; the recurrence is None if it has none.

    `timing` has the settings named in `TIMING`; None in `timezone` means the workspace's own.
    Raises `RecurrenceError` for one that cannot be, is too frequent for the workspace, or never
    comes.
    """
    timezone = timing["timezone"] or principal.workspace_timezone
    load_zone(timezone)
    frequency = parse_frequency(timing["frequency"])
    values: dict[str, Any] = {**timing, "timezone": timezone, "frequency": frequency}
    fields = RecurrenceFields(**values)
    recurrence = build_recurrence(fields)
    if recurrence is not None:
        minimum = timedelta(seconds=principal.minimum_interval_seconds)
        field = "cron_expression" if frequency is Frequency.CUSTOM else "frequency"
        require_minimum_interval(recurrence, minimum, now, field)
        if recurrence.next_after(now) is None:
            # Legal on the clock's face, but clock changes of the zone swallow all of its times.
            raise RecurrenceError(
                "cron_expression",
                RecurrenceCode.CRON_NEVER_FIRES,
                f"it has no instant to come in {timezone}",
                "Choose times that the clock of this zone does not skip.",
            )
    return fields, recurrence


def _changed(
    principal: Principal, before: Row, changes: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the columns that changes touch; raise `RecurrenceError` for a timing that cannot be.

    The timing is looked at only if it is touched or begins to count: what became illegal by other
    means, such as a stricter workspace, can still be renamed and disabled.
    """
    wanted = _merged(before, changes)
    if wanted.timezone is None:
        wanted = replace(wanted, timezone=principal.workspace_timezone)
    touched = {name for name in SETTINGS if getattr(wanted, name) != before[name]}
    columns = {name: getattr(wanted, name) for name in touched}
    if touched & set(TIMING) or (wanted.is_enabled and "is_enabled" in touched):
        all_columns = _columns(principal, wanted, now)
        return {**columns, **{name: all_columns[name] for name in _MARKS}}
    if "is_enabled" in touched:
        return {**columns, **dict.fromkeys(_MARKS)}
    return columns


def _columns(principal: Principal, wanted: ScheduleSettings, now: datetime) -> dict[str, Any]:
    """Return the columns of these settings with fresh marks; raise `RecurrenceError`."""
    timing = {name: getattr(wanted, name) for name in TIMING}
    fields, recurrence = require_recurrence(principal, timing, now)
    is_planned = recurrence is not None and wanted.is_enabled
    return {
        **{name: getattr(wanted, name) for name in SETTINGS},
        "timezone": fields.timezone,
        "planned_through": now if is_planned else None,
        "next_scheduled_at": recurrence.next_after(now) if recurrence and is_planned else None,
        "plan_error": None,
    }
