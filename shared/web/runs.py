"""/api/v2/runs: one run with its timeline."""

import uuid
from typing import Any

from flask import Blueprint

from shared.domain.access import Role
from shared.errors import NotFoundError
from shared.store.engine import single_statements
from shared.store.history import find_run, list_events
from shared.web.auth import principal, requires, wiring
from shared.web.present import present_event, present_run

blueprint = Blueprint("runs", __name__, url_prefix="/api/v2/runs")


@blueprint.get("/<uuid:run>")
@requires(Role.VIEWER)
def read(run: uuid.UUID) -> dict[str, Any]:
    """Read one run and everything that happened to it."""
    workspace_id = principal().workspace_id
    with single_statements(wiring().engine) as connection:
        row = find_run(connection, workspace_id, run)
        if row is None:
            raise NotFoundError("There is no such run.")
        events = list_events(connection, workspace_id, row["id"])
    return {**present_run(row), "timeline": [present_event(event) for event in events]}
