"""/api/v2/runs: one run with its timeline; cancel it."""

import uuid
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Connection

from shared.domain.access import Role
from shared.errors import NotFoundError
from shared.flow.cancel import RunEndedError, cancel_run
from shared.store.engine import single_statements
from shared.store.history import find_run, list_events
from shared.store.rows import Row
from shared.web.auth import principal, requires, wiring
from shared.web.bodies import CancelBody, read_body
from shared.web.present import present_event, present_run
from shared.web.problems import problem

blueprint = Blueprint("runs", __name__, url_prefix="/api/v2/runs")


@blueprint.get("/<uuid:run>")
@requires(Role.VIEWER)
def read(run: uuid.UUID) -> dict[str, Any]:
    """Read one run and everything that happened to it."""
    with single_statements(wiring().engine) as connection:
        row = find_run(connection, principal().workspace_id, run)
        if row is None:
            raise NotFoundError("There is no such run.")
        return _with_timeline(connection, row)


@blueprint.post("/<uuid:run>/cancel")
@requires(Role.EDITOR)
def cancel(run: uuid.UUID) -> dict[str, Any]:
    """End a run that waits or is in progress; its worker stops at its next heartbeat."""
    body = read_body(CancelBody, is_optional=True)
    parts = wiring()
    row = cancel_run(parts.engine, parts.open_queue, principal(), run, note=body.note)
    with single_statements(parts.engine) as connection:
        return _with_timeline(connection, row)


@blueprint.errorhandler(RunEndedError)
def _ended(error: RunEndedError) -> Response:
    return problem(409, "Conflict", error.code, str(error), run_status=error.status)


def _with_timeline(connection: Connection, row: Row) -> dict[str, Any]:
    events = list_events(connection, principal().workspace_id, row["id"])
    return {**present_run(row), "timeline": [present_event(event) for event in events]}
