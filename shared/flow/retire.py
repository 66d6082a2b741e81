"""Disable, enable and delete connectors, and delete schedules: what they have under way ends."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from shared.domain.access import Principal
from shared.domain.run import Reason
from shared.errors import ConflictError, NotFoundError
from shared.flow.audit import append_change, connector_change, schedule_change
from shared.flow.availability import set_status
from shared.flow.cancel import end_runs_of_connector, end_runs_of_schedule
from shared.flow.premises import Premise, any_state
from shared.flow.schedules import Planner, enqueue_planned, require_schedule
from shared.flow.sources import type_of
from shared.store.connectors import delete_credential, lock_connector, update_connector
from shared.store.engine import single_statements
from shared.store.history import detach_runs
from shared.store.hooks import delete_endpoints_of
from shared.store.oauth_grants import has_grant
from shared.store.oauth_states import delete_states
from shared.store.rows import Row
from shared.store.schedules import delete_schedule_row, find_schedule_id, update_schedule
from shared.store.ticks import as_of
from shared.store.unread import forget_unread
from shared.store.workspaces import lock_workspace

_PAGE = 5_000
_UNPLANNED = {
    "is_enabled": False,
    "planned_through": None,
    "next_scheduled_at": None,
    "plan_error": None,
}


def disable_connector(
    planner: Planner,
    principal: Principal,
    connector: UUID,
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """Let nothing of a connector run until it is enabled: its periods are skipped meanwhile.

    Whatever waits or is in progress is cancelled, manual runs too. A connector that is disabled
    already stays as it is. Raises `NotFoundError`, what `premise` raises, or `ConflictError`
    (connector_unavailable) for one that waits for its authorization: nothing of it runs, and to
    enable it would claim that it has one.
    """
    ended = 0
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        row = _require_connector(connection, principal, connector)
        premise(row)
        at = as_of(connection, now)
        match row["status"]:
            case "disabled":
                pass
            case "connected":
                ended = end_runs_of_connector(connection, row["id"], Reason.CONNECTOR_DISABLED, at)
                before, row = row, update_connector(connection, row["id"], {"status": "disabled"})
                change = connector_change("disable_connector", before, row)
                append_change(connection, principal, change)
            case status:
                raise ConflictError(
                    f"The connector is {status.replace('_', ' ')}: nothing of it runs until it is"
                    " authorized, so that there is nothing to disable.",
                    code="connector_unavailable",
                )
    enqueue_planned(planner, principal, ended, at)
    return row


def enable_connector(
    planner: Planner,
    principal: Principal,
    connector: UUID,
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """End the disabling of a connector: it is planned from now on, without a backlog.

    One that a person has to authorize first waits for that. A connector that is not disabled stays
    as it is. Raises `NotFoundError`, or what `premise` raises.
    """
    planned = 0
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        row = _require_connector(connection, principal, connector)
        premise(row)
        at = as_of(connection, now)
        if row["status"] == "disabled":
            before, status = row, _status_of_enabled(connection, row)
            row, planned = set_status(
                connection, row["id"], status, now=at, look_ahead=planner.look_ahead
            )
            change = connector_change("enable_connector", before, row)
            append_change(connection, principal, change)
    enqueue_planned(planner, principal, planned, at)
    return row


def delete_connector(
    planner: Planner,
    principal: Principal,
    connector: UUID,
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> None:
    """Delete a connector and its schedule; its runs stay, its secrets do not.

    Whatever waits or is in progress is cancelled. Its name may be used again. What was synced stays
    in its dataset. Raises `NotFoundError`, or what `premise` raises.
    """
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        row = _require_connector(connection, principal, connector)
        premise(row)
        at = as_of(connection, now)
        ended = end_runs_of_connector(connection, row["id"], Reason.CONNECTOR_DELETED, at)
        schedule_id = find_schedule_id(connection, row["id"])
        if schedule_id is not None:
            # Its row stays with the connector's, so that the history knows of both.
            update_schedule(connection, schedule_id, _UNPLANNED)
        delete_credential(connection, row["id"])
        delete_states(connection, row["id"])
        delete_endpoints_of(connection, row["id"])
        forget_unread(connection, row["id"])
        update_connector(connection, row["id"], {"deleted_at": at})
        append_change(connection, principal, connector_change("delete_connector", row, None))
    enqueue_planned(planner, principal, ended, at)


def delete_schedule(
    planner: Planner,
    principal: Principal,
    schedule: UUID,
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> None:
    """Delete a schedule; its runs stay and name no schedule any more.

    Whatever of it waits or is in progress is cancelled, manual runs too: nobody could follow them.
    It ends in the first transaction; a long history is detached in pages before the last one
    deletes the row. Cut off in between, the schedule is disabled, and deleting it again goes on.
    Raises `NotFoundError`, or what `premise` raises.
    """
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        row = require_schedule(connection, principal, schedule)
        premise(row)
        at = as_of(connection, now)
        ended = end_runs_of_schedule(connection, row, Reason.SCHEDULE_DELETED, at)
        update_schedule(connection, row["id"], _UNPLANNED)
        # Here, where all of it ends: what follows may take its time, and be repeated.
        append_change(connection, principal, schedule_change("delete_schedule", row, None, now=at))
    with single_statements(planner.engine) as connection:
        while detach_runs(connection, principal.workspace_id, row["id"], page=_PAGE) == _PAGE:
            pass
    with planner.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        at = as_of(connection, now)
        # Somebody may have triggered or enabled it meanwhile.
        ended += end_runs_of_schedule(connection, row, Reason.SCHEDULE_DELETED, at)
        forget_unread(connection, row["connector_id"])
        delete_schedule_row(connection, row["id"])
    enqueue_planned(planner, principal, ended, at)


def _status_of_enabled(connection: Connection, row: Row) -> str:
    needs_grant = type_of(row).config_model.needs_grant(row["config"])
    if needs_grant and not has_grant(connection, row["id"]):
        return "pending_authorization"
    return "connected"


def _require_connector(connection: Connection, principal: Principal, connector: UUID) -> Row:
    row = lock_connector(connection, principal.workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    return row
