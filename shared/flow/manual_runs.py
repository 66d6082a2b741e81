"""Write a run that a person asked for: once, if nothing of its connector is active."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.crash_points import CrashPoint, reach
from shared.domain.access import Principal
from shared.domain.run import TriggerType, interactive_key
from shared.errors import BusyError, ConflictError, NotFoundError
from shared.flow.enqueue import enqueue_workspace
from shared.logs import log_event
from shared.store.engine import single_statements
from shared.store.history import find_run
from shared.store.requests import spend_triggers
from shared.store.rows import Row
from shared.store.runs import find_active_run, insert_interactive_run
from shared.store.ticks import as_of

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


@dataclass(frozen=True, slots=True)
class WantedRun:
    """Of what a run is wanted, by internal keys, and what it repeats if it repeats one."""

    connector_id: int
    connector_public_id: UUID
    connector_status: str
    schedule_id: int | None
    max_attempts: int
    retry_of: int | None = None
    retry_of_public_id: UUID | None = None
    nominal_at: datetime | None = None


def write_manual_run(
    connection: Connection, principal: Principal, wanted: WantedRun, public_id: UUID
) -> None:
    """Write a run of that public id, unless something is in its way.

    The caller holds the workspace (`lock_workspace`). Raises `ConflictError`
    (connector_unavailable), `RunActiveError` with the run that is active, or `BusyError` if the
    workspace starts runs too often.
    """
    now = as_of(connection, None)
    active = find_active_run(connection, principal.workspace_id, wanted.connector_id, now=now)
    require_startable(wanted, active)
    wait = spend_triggers(connection, principal.workspace_id)
    if wait is not None:
        raise triggers_too_often(wait)
    repeated = wanted.retry_of_public_id
    detail = {} if repeated is None else {"retry_of": str(repeated)}
    insert_interactive_run(
        connection, values_of_manual_run(principal, wanted, public_id, now), detail
    )


def values_of_manual_run(
    principal: Principal, wanted: WantedRun, public_id: UUID, now: datetime
) -> dict[str, Any]:
    """Return the columns of a run that starts now."""
    return {
        "workspace_id": principal.workspace_id,
        "connector_id": wanted.connector_id,
        "schedule_id": wanted.schedule_id,
        "workspace_connector_sync_log_id": public_id,
        "trigger_type": TriggerType.MANUAL,
        "max_attempts": wanted.max_attempts,
        "idempotency_key": interactive_key(
            wanted.connector_public_id, TriggerType.MANUAL, public_id
        ),
        "not_before_at": now,
        "retry_of": wanted.retry_of,
        "nominal_at": wanted.nominal_at,
    }


def require_startable(wanted: WantedRun, active: UUID | None) -> None:
    """Raise what `write_manual_run` raises, but for the rate; `active` is the run in the way."""
    if wanted.connector_status != "connected":
        raise ConflictError(
            f"The connector is {wanted.connector_status.replace('_', ' ')}: it cannot be"
            " synced until that is mended.",
            code="connector_unavailable",
        )
    if active is not None:
        raise RunActiveError(active)


def start_written(
    engine: Engine,
    open_queue: "Callable[[], CloudTasksQueue]",
    principal: Principal,
    run: UUID,
) -> Row:
    """Enqueue a run that is written if its workspace has room, and return it as it is then."""
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


def triggers_too_often(wait: timedelta) -> BusyError:
    """Return the refusal of a run of a workspace whose rate is spent for as long."""
    return BusyError(
        "The workspace starts runs by hand more often than it may: wait as long as Retry-After"
        " says. Its setting manual_triggers_per_minute says how often that is.",
        code="rate_limited",
        retry_after=wait,
    )
