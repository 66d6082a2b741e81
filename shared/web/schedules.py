"""/api/v2/sync-schedules: create, read, change, pause and delete schedules, trigger, history."""

import uuid
from http import HTTPStatus
from typing import Any

from flask import url_for

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
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
from shared.store.schedules import find_schedule, list_schedules
from shared.web.auth import principal, wiring
from shared.web.bodies import NewScheduleBody, PauseBody, ScheduleBody, ScheduleChangesBody
from shared.web.etags import premise, version_in
from shared.web.examples import NEW_SCHEDULE, NEW_SETTINGS
from shared.web.operations import Answers, Link, Takes
from shared.web.paging import page
from shared.web.planner import planner
from shared.web.present import present_run, present_schedule
from shared.web.queries import OfConnectorQuery
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.run_lists import page_of_runs
from shared.web.run_queries import HistoryQuery, filter_of
from shared.web.shapes.runs import Run, Runs
from shared.web.shapes.schedules import Schedule, Schedules

routes = Routes("schedules", "/api/v2/sync-schedules", tag="Schedules", changes=ObjectKind.SCHEDULE)

_ONE = Answers(HTTPStatus.OK, Schedule, version=version_in)
_ITS = {"schedule": "/id"}


@routes.on(
    "POST",
    "",
    "create_schedule",
    Role.EDITOR,
    Answers(
        HTTPStatus.CREATED,
        Schedule,
        {
            HTTPStatus.NOT_FOUND: ("foreign_key_integrity",),
            HTTPStatus.CONFLICT: ("one_schedule_per_integration",),
        },
        version=version_in,
        location=True,
        links=tuple(
            Link(operation, _ITS)
            for operation in (
                "read_schedule",
                "change_schedule",
                "replace_schedule",
                "pause_schedule",
                "resume_schedule",
                "trigger_schedule",
                "list_history",
                "preview_schedule",
                "delete_schedule",
            )
        ),
    ),
    Takes(NewScheduleBody, examples={"every night": NEW_SCHEDULE}, key=True),
)
def create(body: NewScheduleBody) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create the schedule of a connector."""
    wanted = ScheduleSettings(**body.model_dump(exclude={"connector_id"}))
    row = create_schedule(
        planner(), principal(), body.connector_id, wanted, public_id=resource_id()
    )
    location = url_for("schedules.read", schedule=row["public_id"])
    return present_schedule(row), 201, {"Location": location}


@routes.on(
    "GET",
    "",
    "list_schedules",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Schedules, links=(Link("read_schedule", {"schedule": "/items/0/id"}),)),
    Takes(query=OfConnectorQuery),
)
def browse(query: OfConnectorQuery) -> dict[str, Any]:
    """List the schedules of the workspace, or that of one connector, oldest first."""
    with single_statements(wiring().engine) as connection:
        rows = list_schedules(
            connection,
            principal().workspace_id,
            connector=query.connector_id,
            after_id=query.cursor or 0,
            limit=query.limit + 1,
        )
    return page(rows, query.limit, present_schedule)


@routes.on("GET", "/<uuid:schedule>", "read_schedule", Role.VIEWER, _ONE)
def read(schedule: uuid.UUID) -> dict[str, Any]:
    """Read one schedule."""
    with single_statements(wiring().engine) as connection:
        row = find_schedule(connection, principal().workspace_id, schedule)
    if row is None:
        raise NotFoundError("There is no such schedule.")
    return present_schedule(row)


@routes.on(
    "PUT",
    "/<uuid:schedule>",
    "replace_schedule",
    Role.EDITOR,
    _ONE,
    Takes(ScheduleBody, examples={"every night": NEW_SETTINGS}, premise=True),
)
def replace(schedule: uuid.UUID, body: ScheduleBody) -> dict[str, Any]:
    """Set every setting of a schedule; those left out get their defaults."""
    return _changed(schedule, body.model_dump())


@routes.on(
    "PATCH",
    "/<uuid:schedule>",
    "change_schedule",
    Role.EDITOR,
    _ONE,
    Takes(
        ScheduleChangesBody, examples={"another time": {"preferred_time": "04:30"}}, premise=True
    ),
)
def change(schedule: uuid.UUID, body: ScheduleChangesBody) -> dict[str, Any]:
    """Set some settings of a schedule."""
    return _changed(schedule, body.model_dump(exclude_unset=True))


@routes.on(
    "DELETE",
    "/<uuid:schedule>",
    "delete_schedule",
    Role.EDITOR,
    Answers(HTTPStatus.NO_CONTENT),
    Takes(premise=True),
)
def delete(schedule: uuid.UUID) -> tuple[str, int]:
    """Delete a schedule; what waits or is in progress is cancelled, and its runs stay."""
    delete_schedule(planner(), principal(), schedule, premise=premise())
    return "", 204


@routes.on(
    "POST",
    "/<uuid:schedule>/pause",
    "pause_schedule",
    Role.EDITOR,
    _ONE,
    Takes(
        PauseBody,
        body_is_optional=True,
        examples={"until resumed": {"note": "the source moves house"}},
        premise=True,
    ),
)
def pause(schedule: uuid.UUID, body: PauseBody) -> dict[str, Any]:
    """Skip the periods of a schedule for a while."""
    until = None if body.until is None else parse_instant(body.until, "until")
    row = pause_schedule(
        planner(), principal(), schedule, until=until, note=body.note, premise=premise()
    )
    return present_schedule(row)


@routes.on(
    "POST",
    "/<uuid:schedule>/resume",
    "resume_schedule",
    Role.EDITOR,
    _ONE,
    Takes(premise=True),
)
def resume(schedule: uuid.UUID) -> dict[str, Any]:
    """End a pause."""
    return present_schedule(resume_schedule(planner(), principal(), schedule, premise=premise()))


@routes.on(
    "POST",
    "/<uuid:schedule>/trigger",
    "trigger_schedule",
    Role.EDITOR,
    Answers(
        HTTPStatus.ACCEPTED,
        Run,
        {
            HTTPStatus.CONFLICT: ("run_active", "connector_unavailable"),
            HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited",),
        },
        location=True,
        links=(Link("read_run", {"run": "/id"}), Link("cancel_run", {"run": "/id"})),
    ),
    Takes(key=True),
)
def trigger(schedule: uuid.UUID) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Start a run now; the schedule's own periods do not move."""
    parts = wiring()
    row = trigger_schedule(
        parts.engine, parts.open_queue, principal(), schedule, public_id=resource_id()
    )
    return present_run(row), 202, {"Location": url_for("runs.read", run=row["public_id"])}


@routes.on(
    "GET",
    "/<uuid:schedule>/history",
    "list_history",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Runs, links=(Link("read_run", {"run": "/items/0/id"}),)),
    Takes(query=HistoryQuery),
)
def history(schedule: uuid.UUID, query: HistoryQuery) -> dict[str, Any]:
    """List the runs of a schedule, newest first, by what they have in common."""
    return page_of_runs(filter_of(query, schedule=schedule), query)


def _changed(schedule: uuid.UUID, changes: dict[str, Any]) -> dict[str, Any]:
    row = change_schedule(planner(), principal(), schedule, changes, premise=premise())
    return present_schedule(row)
