"""Run again what ended without success: a new run, about the same instant."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine

from shared.domain.access import Principal
from shared.domain.run import RunStatus
from shared.errors import ConflictError, NotFoundError
from shared.flow.audit import append_change, run_change
from shared.flow.manual_runs import WantedRun, start_written, write_manual_run
from shared.store.history import find_run
from shared.store.retries import find_repeatable, note_retried
from shared.store.rows import Row
from shared.store.ticks import as_of
from shared.store.workspaces import lock_workspace

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_REPEATABLE = frozenset({RunStatus.ERROR, RunStatus.CANCELLED, RunStatus.SKIPPED})


class NotRepeatableError(ConflictError):
    """The run succeeded, or did not end yet."""

    code = "run_not_repeatable"

    def __init__(self, status: RunStatus) -> None:
        super().__init__(
            f"The status of the run is {status}: a run can be retried that ended as error,"
            " cancelled or skipped."
        )
        self.status = status


def retry_run(
    engine: Engine,
    open_queue: "Callable[[], CloudTasksQueue]",
    principal: Principal,
    run: UUID,
    *,
    public_id: UUID | None = None,
) -> Row:
    """Start a run of the same connector and schedule now, about the instant of the one before.

    It reads on from the watermarks, as any run does: what has been synced meanwhile is not synced
    again. A run of a deleted schedule can be retried too; a connector that is gone cannot. Given a
    `public_id` that a run has already, it was written before and is returned. Raises
    `NotFoundError`, `NotRepeatableError`, and what `write_manual_run` raises.
    """
    made = public_id or uuid4()
    with engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        if find_run(connection, principal.workspace_id, made) is None:
            _write(connection, principal, run, made)
    return start_written(engine, open_queue, principal, made)


def _write(connection: Connection, principal: Principal, run: UUID, made: UUID) -> None:
    row = find_repeatable(connection, principal.workspace_id, run)
    if row is None:
        raise NotFoundError("There is no such run.")
    status = RunStatus(row["status"])
    if status not in _REPEATABLE:
        raise NotRepeatableError(status)
    if row["connector_deleted_at"] is not None:
        raise ConflictError(
            "The connector of this run was deleted: nothing of it can run.",
            code="connector_unavailable",
        )
    wanted = WantedRun(
        connector_id=row["connector_id"],
        connector_public_id=row["connector_public_id"],
        connector_status=row["connector_status"],
        schedule_id=row["schedule_id"],
        max_attempts=row["max_attempts"],
        retry_of=row["id"],
        retry_of_public_id=run,
        nominal_at=row["nominal_at"],
    )
    write_manual_run(connection, principal, wanted, made)
    note_retried(connection, principal.workspace_id, row["id"], made, as_of(connection, None))
    of = {"connector_id": row["connector_public_id"], "retry_of": run}
    change = run_change("retry_run", made, row["connector_name"], None, of)
    append_change(connection, principal, change)
