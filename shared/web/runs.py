"""/api/v2/runs: one run with its timeline; cancel it."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection

from shared.domain.access import Role
from shared.domain.attempts import Attempt, TimelineEvent, attempts_of
from shared.domain.audit import ObjectKind
from shared.errors import NotFoundError
from shared.flow.cancel import cancel_run
from shared.store.engine import single_statements
from shared.store.history import find_run, list_events
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.bodies import CancelBody
from shared.web.etags import premise
from shared.web.operations import Answers, Takes
from shared.web.present import instant, present_event, present_run
from shared.web.routes import Routes
from shared.web.shapes.runs import RunWithTimeline

routes = Routes("runs", "/api/v2/runs", tag="Runs", changes=ObjectKind.RUN)


def status_in(run: Mapping[str, Any]) -> object:
    """Return what If-Match compares of a run: nothing but its status is anybody's to change."""
    return run["status"]


@routes.on(
    "GET",
    "/<uuid:run>",
    "read_run",
    Role.VIEWER,
    Answers(HTTPStatus.OK, RunWithTimeline, version=status_in),
)
def read(run: uuid.UUID) -> dict[str, Any]:
    """Read one run and everything that happened to it."""
    with single_statements(wiring().engine) as connection:
        row = find_run(connection, principal().workspace_id, run)
        if row is None:
            raise NotFoundError("There is no such run.")
        return _with_timeline(connection, row)


@routes.on(
    "POST",
    "/<uuid:run>/cancel",
    "cancel_run",
    Role.EDITOR,
    Answers(
        HTTPStatus.OK,
        RunWithTimeline,
        {HTTPStatus.CONFLICT: ("run_ended",)},
        version=status_in,
    ),
    Takes(
        CancelBody,
        body_is_optional=True,
        examples={"with a note": {"note": "wrong month"}},
        premise=True,
    ),
)
def cancel(run: uuid.UUID, body: CancelBody) -> dict[str, Any]:
    """End a run that waits or is in progress; its worker stops at its next heartbeat."""
    parts = wiring()
    row = cancel_run(
        parts.engine,
        parts.open_queue,
        principal(),
        run,
        note=body.note,
        premise=premise(_status_of),
    )
    with single_statements(parts.engine) as connection:
        return _with_timeline(connection, row)


def _with_timeline(connection: Connection, row: Row) -> dict[str, Any]:
    events = list_events(connection, principal().workspace_id, row["id"])
    attempts = attempts_of(
        TimelineEvent(event["happened_at"], event["kind"], event["detail"]) for event in events
    )
    return {
        **present_run(row),
        "attempts": [_present_attempt(attempt) for attempt in attempts],
        "timeline": [present_event(event) for event in events],
    }


def _present_attempt(attempt: Attempt) -> dict[str, Any]:
    times = {"started_at": instant(attempt.started_at), "ended_at": instant(attempt.ended_at)}
    return asdict(attempt) | times


def _status_of(row: Row) -> object:
    return row["status"]
