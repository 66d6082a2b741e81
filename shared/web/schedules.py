"""/api/v2/sync-schedules: create, read, change, pause and delete schedules, trigger, history."""

import uuid
from typing import Any

from flask import Blueprint, url_for

from shared.domain.access import Role
from shared.domain.instants import parse_instant
from shared.errors import NotFoundError
from shared.flow.pause import pause_schedule, resume_schedule
from shared.flow.retire import delete_schedule
from shared.flow.schedules import (
    ScheduleSettings,
    change_schedule,
    create_schedule,
)
from shared.flow.trigger import trigger_schedule
from shared.store.engine import single_statements
from shared.store.history import list_history
from shared.store.schedules import find_schedule, list_schedules
from shared.web.auth import principal, requires, wiring
from shared.web.bodies import (
    NewScheduleBody,
    PauseBody,
    ScheduleBody,
    ScheduleChangesBody,
    read_body,
)
from shared.web.paging import page, page_cursor, page_limit
from shared.web.planner import planner
from shared.web.present import present_run, present_schedule

blueprint = Blueprint("schedules", __name__, url_prefix="/api/v2/sync-schedules")


@blueprint.post("")
@requires(Role.EDITOR)
def create() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create the schedule of a connector."""
    body = read_body(NewScheduleBody)
    wanted = ScheduleSettings(**body.model_dump(exclude={"connector_id"}))
    row = create_schedule(planner(), principal(), body.connector_id, wanted)
    location = url_for("schedules.read", schedule=row["public_id"])
    return present_schedule(row), 201, {"Location": location}


@blueprint.get("")
@requires(Role.VIEWER)
def browse() -> dict[str, Any]:
    """List the workspace's schedules, oldest first."""
    limit = page_limit()
    with single_statements(wiring().engine) as connection:
        rows = list_schedules(
            connection, principal().workspace_id, after_id=page_cursor() or 0, limit=limit + 1
        )
    return page(rows, limit, present_schedule)


@blueprint.get("/<uuid:schedule>")
@requires(Role.VIEWER)
def read(schedule: uuid.UUID) -> dict[str, Any]:
    """Read one schedule."""
    with single_statements(wiring().engine) as connection:
        row = find_schedule(connection, principal().workspace_id, schedule)
    if row is None:
        raise NotFoundError("There is no such schedule.")
    return present_schedule(row)


@blueprint.put("/<uuid:schedule>")
@requires(Role.EDITOR)
def replace(schedule: uuid.UUID) -> dict[str, Any]:
    """Set every setting of a schedule; those left out get their defaults."""
    changes = read_body(ScheduleBody).model_dump()
    return present_schedule(change_schedule(planner(), principal(), schedule, changes))


@blueprint.patch("/<uuid:schedule>")
@requires(Role.EDITOR)
def change(schedule: uuid.UUID) -> dict[str, Any]:
    """Set some settings of a schedule."""
    changes = read_body(ScheduleChangesBody).model_dump(exclude_unset=True)
    return present_schedule(change_schedule(planner(), principal(), schedule, changes))


@blueprint.delete("/<uuid:schedule>")
@requires(Role.EDITOR)
def delete(schedule: uuid.UUID) -> tuple[str, int]:
    """Delete a schedule; what waits or is in progress is cancelled, and its runs stay."""
    delete_schedule(planner(), principal(), schedule)
    return "", 204


@blueprint.post("/<uuid:schedule>/pause")
@requires(Role.EDITOR)
def pause(schedule: uuid.UUID) -> dict[str, Any]:
    """Skip the periods of a schedule for a while."""
    body = read_body(PauseBody, is_optional=True)
    until = None if body.until is None else parse_instant(body.until, "until")
    row = pause_schedule(planner(), principal(), schedule, until=until, note=body.note)
    return present_schedule(row)


@blueprint.post("/<uuid:schedule>/resume")
@requires(Role.EDITOR)
def resume(schedule: uuid.UUID) -> dict[str, Any]:
    """End a pause."""
    return present_schedule(resume_schedule(planner(), principal(), schedule))


@blueprint.post("/<uuid:schedule>/trigger")
@requires(Role.EDITOR)
def trigger(schedule: uuid.UUID) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Start a run now; the schedule's own periods do not move."""
    row = trigger_schedule(wiring().engine, wiring().open_queue, principal(), schedule)
    return present_run(row), 202, {"Location": url_for("runs.read", run=row["public_id"])}


@blueprint.get("/<uuid:schedule>/history")
@requires(Role.VIEWER)
def history(schedule: uuid.UUID) -> dict[str, Any]:
    """List the runs of a schedule, newest first."""
    limit, workspace_id = page_limit(), principal().workspace_id
    with single_statements(wiring().engine) as connection:
        row = find_schedule(connection, workspace_id, schedule)
        if row is None:
            raise NotFoundError("There is no such schedule.")
        rows = list_history(
            connection, workspace_id, row["id"], before_id=page_cursor(), limit=limit + 1
        )
    return page(rows, limit, present_run)
