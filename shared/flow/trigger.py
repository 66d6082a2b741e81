"""Start a run that no schedule named: now, once, and ahead of scheduled ones."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from shared.crash_points import CrashPoint, reach
from shared.domain.access import Principal
from shared.domain.run import TriggerType, interactive_key
from shared.errors import ConflictError, NotFoundError
from shared.flow.enqueue import enqueue_workspace
from shared.logs import log_event
from shared.store.engine import single_statements
from shared.store.history import find_run
from shared.store.rows import Row
from shared.store.runs import find_active_run, insert_interactive_run
from shared.store.schedules import find_schedule
from shared.store.ticks import as_of
from shared.store.violations import violation_of
from shared.store.workspaces import lock_workspace

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)


class RunActiveError(ConflictError):
    """The connector has a run in progress, or one that was asked for and waits."""

    code = "run_active"

    def __init__(self, run: UUID) -> None:
        super().__init__(
            "A run of this connector is active already: it runs, or waits for its next attempt."
            " Cancel it, or wait for its end."
        )
        self.run = run


def trigger_schedule(
    engine: Engine,
    open_queue: Callable[[], "CloudTasksQueue"],
    principal: Principal,
    schedule: UUID,
) -> Row:
    """Write a manual run and enqueue it if its workspace has room; else it waits its turn.

    The schedule's own periods do not move. Raises `NotFoundError`, or `RunActiveError` with the
    run that is active.
    """
    run = _write_run(engine, principal, schedule)
    reach(CrashPoint.TRIGGERED)
    with single_statements(engine) as connection:
        now = as_of(connection, None)
    enqueue_workspace(engine, open_queue, principal.workspace_id, now=now, horizon=now)
    log_event(_log, logging.INFO, "run_requested", "A run was asked for", run_id=run)
    with single_statements(engine) as connection:
        row = find_run(connection, principal.workspace_id, run)
    if row is None:
        raise NotFoundError("The run was deleted at once.")
    return row


def _write_run(engine: Engine, principal: Principal, schedule: UUID) -> UUID:
    try:
        with engine.begin() as connection:
            # Whoever deletes the schedule at this moment comes before or after, not in between.
            lock_workspace(connection, principal.workspace_id)
            row = find_schedule(connection, principal.workspace_id, schedule)
            if row is None:
                raise NotFoundError("There is no such schedule.")
            _require_usable(row)
            now = as_of(connection, None)
            active = find_active_run(
                connection, principal.workspace_id, row["connector_id"], now=now
            )
            if active is not None:
                raise RunActiveError(active)
            key = interactive_key(row["connector_public_id"], TriggerType.MANUAL, uuid4())
            inserted = insert_interactive_run(
                connection,
                {
                    "workspace_id": principal.workspace_id,
                    "connector_id": row["connector_id"],
                    "schedule_id": row["id"],
                    "trigger_type": TriggerType.MANUAL,
                    "max_attempts": row["max_attempts"],
                    "idempotency_key": key,
                    "not_before_at": now,
                },
            )
            return inserted["public_id"]
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


def _require_usable(schedule: Row) -> None:
    if schedule["connector_status"] != "connected":
        raise ConflictError(
            f"The connector is {schedule['connector_status'].replace('_', ' ')}: it cannot be"
            " synced until that is mended.",
            code="connector_unavailable",
        )
