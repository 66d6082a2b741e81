"""/api/v2/runs/{id}/retry: run again what ended without success."""

import uuid
from http import HTTPStatus
from typing import Any

from flask import url_for

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.flow.retry_run import retry_run
from shared.web.auth import principal, wiring
from shared.web.operations import Answers, Link, Takes
from shared.web.present import present_run
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.shapes.runs import Run

routes = Routes("run_retries", "/api/v2/runs", tag="Runs", changes=ObjectKind.RUN)


@routes.on(
    "POST",
    "/<uuid:run>/retry",
    "retry_run",
    Role.EDITOR,
    Answers(
        HTTPStatus.ACCEPTED,
        Run,
        {
            HTTPStatus.CONFLICT: ("run_not_repeatable", "run_active", "connector_unavailable"),
            HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited",),
        },
        location=True,
        links=(Link("read_run", {"run": "/id"}), Link("cancel_run", {"run": "/id"})),
    ),
    Takes(key=True),
)
def retry(run: uuid.UUID) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Start a run that repeats one which ended as error, cancelled or skipped.

    It is about the same period, and reads on from the watermarks as any run does.
    """
    parts = wiring()
    row = retry_run(parts.engine, parts.open_queue, principal(), run, public_id=resource_id())
    return present_run(row), 202, {"Location": url_for("runs.read", run=row["public_id"])}
