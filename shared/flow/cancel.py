"""Cancel runs: they end in the table at once, and the worker of one in progress finds out.

At its next heartbeat, before its next load, or when it records: its fence is gone then, and nothing
that it writes counts.
"""

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.domain.access import Principal
from shared.domain.run import Reason, RunStatus, TriggerType
from shared.errors import ConflictError, NotFoundError
from shared.flow.audit import append_change, run_change
from shared.flow.enqueue import enqueue_workspace
from shared.flow.premises import Premise, any_state
from shared.flow.replan import settle
from shared.logs import log_event
from shared.store.cancel import cancel_runs, lock_runs_in_progress, unfinished_runs
from shared.store.history import find_run
from shared.store.rows import Row
from shared.store.schedules import find_schedule_id
from shared.store.ticks import as_of
from shared.store.workspaces import lock_workspace

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_PERSONAL = tuple(trigger for trigger in TriggerType if trigger.is_personal)


class RunEndedError(ConflictError):
    """The run ended before it could be cancelled."""

    code = "run_ended"

    def __init__(self, status: RunStatus) -> None:
        super().__init__(f"The run ended already: its status is {status}.")
        self.status = status


def cancel_run(
    engine: Engine,
    open_queue: "Callable[[], CloudTasksQueue]",
    principal: Principal,
    run: UUID,
    *,
    note: str | None = None,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """End a run that waits or is in progress, and give its place to the next of its workspace.

    A run that a user cancelled already is returned as it is. Raises `NotFoundError`, what
    `premise` raises, or `RunEndedError` for a run that ended otherwise.
    """
    workspace_id = principal.workspace_id
    with engine.begin() as connection:
        lock_workspace(connection, workspace_id)
        at = as_of(connection, now)
        row = _require_run(connection, principal, run)
        premise(row)
        said = {"by": principal.actor.name} | ({"note": note} if note else {})
        ids = [row["id"]]
        ended = cancel_runs(connection, ids, Reason.CANCELLED_BY_USER, now=at, detail=said)
        before, row = row, _require_run(connection, principal, run)
        if ended:
            _append(connection, principal, before, row, note)
    if not ended:
        if row["reason"] != Reason.CANCELLED_BY_USER:
            raise RunEndedError(RunStatus(row["status"]))
        return row
    log_event(_log, logging.INFO, "run_cancelled", "A run was cancelled", run_id=run)
    enqueue_workspace(engine, open_queue, workspace_id, now=at, horizon=at)
    return row


def end_runs_of_connector(
    connection: Connection, connector_id: int, reason: Reason, now: datetime
) -> int:
    """End whatever of a connector waits or is in progress; return how many runs.

    Its schedule's periods up to `now` are decided before, as schedule and connector are then. The
    caller holds the workspace (`lock_workspace`).
    """
    lock_runs_in_progress(connection, [connector_id])
    schedule_id = find_schedule_id(connection, connector_id)
    if schedule_id is not None:
        settle(connection, [schedule_id], now)
    ids = unfinished_runs(connection, connector_id)
    return cancel_runs(connection, ids, reason, now=now)


def end_runs_of_schedule(
    connection: Connection,
    schedule: Row,
    reason: Reason,
    now: datetime,
    *,
    spares_personal: bool = False,
) -> int:
    """End whatever of a schedule waits or is in progress; return how many runs.

    With `spares_personal` what a person asked for by name goes on: a manual run is not the
    schedule's, and stays allowed while it is disabled. Else as `end_runs_of_connector`.
    """
    lock_runs_in_progress(connection, [schedule["connector_id"]])
    settle(connection, [schedule["id"]], now)
    spared: Collection[TriggerType] = _PERSONAL if spares_personal else ()
    ids = unfinished_runs(
        connection, schedule["connector_id"], schedule_id=schedule["id"], spared=spared
    )
    return cancel_runs(connection, ids, reason, now=now)


def _append(
    connection: Connection, principal: Principal, before: Row, after: Row, note: str | None
) -> None:
    was = {name: before[name] for name in ("status", "reason")} | {"note": None}
    shown = {name: after[name] for name in ("status", "reason")} | {"note": note or None}
    name = after["connector_name"]
    change = run_change("cancel_run", after["public_id"], name, was, shown)
    append_change(connection, principal, change)


def _require_run(connection: Connection, principal: Principal, run: UUID) -> Row:
    row = find_run(connection, principal.workspace_id, run)
    if row is None:
        raise NotFoundError("There is no such run.")
    return row
