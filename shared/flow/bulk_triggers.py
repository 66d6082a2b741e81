"""Start runs of many schedules by hand: some of them in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.domain.access import Principal
from shared.domain.bulk import BulkItem, BulkResult
from shared.errors import NotFoundError, SynclineError
from shared.flow.audit import run_change
from shared.flow.manual_runs import (
    RunActiveError,
    require_startable,
    triggers_too_often,
    values_of_manual_run,
)
from shared.flow.trigger import wanted_of
from shared.store.audit import append_audit
from shared.store.history import find_run_ids
from shared.store.requests import spend_triggers
from shared.store.rows import Row
from shared.store.runs import find_active_runs, insert_interactive_runs
from shared.store.schedules import find_schedules
from shared.store.ticks import as_of
from shared.store.trigger_rate import triggers_left
from shared.store.workspaces import lock_workspace

Startable = Mapping[UUID, Row | SynclineError]
"""By schedule its row, or why no run of it can start."""


def write_runs(engine: Engine, principal: Principal, runs: Mapping[UUID, UUID]) -> list[BulkItem]:
    """Write manual runs, by schedule their public ids; they get no tasks yet.

    One that is written already was so by the same request. Raises what the database does, also for
    a run of another request that came at the same moment: then nothing is written.
    """
    with engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        written = find_run_ids(connection, principal.workspace_id, list(runs.values()))
        wanted = [schedule for schedule, run in runs.items() if run not in written]
        now = as_of(connection, None)
        found = find_startable(connection, principal, wanted, now)
        rows = {key: row for key, row in found.items() if not isinstance(row, SynclineError)}
        starting, limit = _within_rate(connection, principal, list(rows))
        started = {schedule: runs[schedule] for schedule in starting}
        if started:
            _insert(connection, principal, rows, started, now)
    return [
        BulkItem(schedule, BulkResult.DONE, run)
        if run in written or schedule in started
        else refused(schedule, _refusal(found[schedule]) or limit)
        for schedule, run in runs.items()
    ]


def find_startable(
    connection: Connection, principal: Principal, schedules: Sequence[UUID], now: datetime
) -> Startable:
    """Return which of some schedules a run may be started of, whatever the rate is."""
    rows = find_schedules(connection, principal.workspace_id, schedules)
    connectors = [row["connector_id"] for row in rows.values()]
    active = find_active_runs(connection, principal.workspace_id, connectors, now=now)
    return {schedule: _judged(rows.get(schedule), active) for schedule in schedules}


def refused(schedule: UUID, error: SynclineError | None) -> BulkItem:
    """Return the item of a schedule to which nothing was done."""
    run = error.run if isinstance(error, RunActiveError) else None
    return BulkItem(schedule, BulkResult.REFUSED, run, error)


def _judged(row: Row | None, active: Mapping[int, UUID]) -> Row | SynclineError:
    if row is None:
        return NotFoundError("There is no such schedule.")
    try:
        require_startable(wanted_of(row), active.get(row["connector_id"]))
    except SynclineError as error:
        return error
    return row


def _refusal(found: Row | SynclineError) -> SynclineError | None:
    return found if isinstance(found, SynclineError) else None


def _within_rate(
    connection: Connection, principal: Principal, schedules: Sequence[UUID]
) -> tuple[Sequence[UUID], SynclineError | None]:
    """Spend the rate; return for which schedules there is enough, and what refuses the others."""
    left = triggers_left(connection, principal.workspace_id)
    taken = min(left, len(schedules))
    if taken and spend_triggers(connection, principal.workspace_id, taken) is not None:
        taken = 0
    while taken < len(schedules):
        wait = spend_triggers(connection, principal.workspace_id)
        if wait is not None:
            return schedules[:taken], triggers_too_often(wait)
        taken += 1
    return schedules, None


def _insert(
    connection: Connection,
    principal: Principal,
    rows: Mapping[UUID, Row],
    started: Mapping[UUID, UUID],
    now: datetime,
) -> None:
    values = [
        values_of_manual_run(principal, wanted_of(rows[schedule]), run, now)
        for schedule, run in started.items()
    ]
    insert_interactive_runs(connection, values)
    changes = [
        run_change(
            "trigger_schedule",
            run,
            rows[schedule]["connector_name"],
            None,
            {"connector_id": rows[schedule]["connector_public_id"], "schedule_id": schedule},
        )
        for schedule, run in started.items()
    ]
    append_audit(connection, principal.workspace_id, principal.actor, *changes)
