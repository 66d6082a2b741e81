"""The worker: Cloud Tasks hands it one run, and it does one attempt."""

from typing import Any
from uuid import UUID

import functions_framework
from flask import Request

from shared.edge import Answer, private
from shared.flow.attempt import Workshop, attempt_run
from shared.gcp.oidc import callers_of_worker
from shared.wiring import Wiring


@functions_framework.http
def worker(request: Request) -> Answer:
    """Attempt the run that a task names."""
    return private(request, "worker", callers_of_worker, _attempt)


def _attempt(wiring: Wiring, request: Request) -> Answer:
    body: Any = request.get_json(silent=True)
    try:
        run = UUID(body["run_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return {"code": "bad_task", "detail": 'The body is not {"run_id": "<uuid>"}.'}, 400
    workshop = Workshop(
        engine=wiring.engine,
        queue=wiring.open_queue(),
        key=wiring.key,
        dataset_url=wiring.settings.dataset_url,
        lease=wiring.settings.lease,
    )
    # Every end of an attempt is 200: what becomes of the run is in the table, and another answer
    # would make Cloud Tasks slow the queue of everybody.
    return {"result": attempt_run(workshop, run)}, 200
