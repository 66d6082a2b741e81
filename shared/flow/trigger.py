"""Start a run that no schedule named: now, once, and ahead of scheduled ones."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from shared.domain.access import Principal
from shared.errors import ConflictError, NotFoundError
from shared.flow.audit import append_change, run_change
from shared.flow.manual_runs import RunActiveError, WantedRun, start_written, write_manual_run
from shared.store.engine import single_statements
from shared.store.history import find_run
from shared.store.rows import Row
from shared.store.runs import find_active_run
from shared.store.schedules import find_schedule
from shared.store.ticks import as_of
from shared.store.violations import violation_of
from shared.store.workspaces import lock_workspace

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

__all__ = ["RunActiveError", "trigger_schedule"]


def trigger_schedule(
    engine: Engine,
    open_queue: "Callable[[], CloudTasksQueue]",
    principal: Principal,
    schedule: UUID,
    *,
    public_id: UUID | None = None,
) -> Row:
    """Write a manual run and enqueue it if its workspace has room; else it waits its turn.

    Given a `public_id` that a run has already, it was written before and is returned. The
    schedule's own periods do not move. Raises `NotFoundError`, `RunActiveError` with the run that
    is active, or `BusyError` if the workspace triggers runs too often.
    """
    run = write_run_of(engine, principal, schedule, public_id or uuid4())
    return start_written(engine, open_queue, principal, run)


def write_run_of(engine: Engine, principal: Principal, schedule: UUID, run: UUID) -> UUID:
    """Write a manual run of a schedule; it gets no task yet. Raises as `trigger_schedule`."""
    try:
        with engine.begin() as connection:
            # Whoever deletes the schedule at this moment comes before or after, not in between.
            lock_workspace(connection, principal.workspace_id)
            if find_run(connection, principal.workspace_id, run) is not None:
                return run
            row = find_schedule(connection, principal.workspace_id, schedule)
            if row is None:
                raise NotFoundError("There is no such schedule.")
            write_manual_run(connection, principal, wanted_of(row), run)
            of = {"connector_id": row["connector_public_id"], "schedule_id": schedule}
            change = run_change("trigger_schedule", run, row["connector_name"], None, of)
            append_change(connection, principal, change)
    except IntegrityError as error:
        if violation_of(error).constraint != "one_active_interactive_run_per_connector":
            raise
        # Somebody else asked at the same moment; theirs is the run.
        active = _active_run(engine, principal, schedule)
        if active is None:
            raise ConflictError(
                "A run of this connector ended at this moment; ask again.", code="run_active"
            ) from error
        raise RunActiveError(active) from error
    return run


def wanted_of(schedule: Row) -> WantedRun:
    """Return what a trigger wants of a schedule's row."""
    return WantedRun(
        connector_id=schedule["connector_id"],
        connector_public_id=schedule["connector_public_id"],
        connector_status=schedule["connector_status"],
        schedule_id=schedule["id"],
        max_attempts=schedule["max_attempts"],
    )


def _active_run(engine: Engine, principal: Principal, schedule: UUID) -> UUID | None:
    with single_statements(engine) as connection:
        row = find_schedule(connection, principal.workspace_id, schedule)
        if row is None:
            return None
        return find_active_run(
            connection,
            principal.workspace_id,
            row["connector_id"],
            now=as_of(connection, None),
        )
