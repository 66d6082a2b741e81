"""The worker: Cloud Tasks hands it one run, and it does one slice of it."""

import functions_framework
from flask import Request

from shared.domain.task import LOOK_PATH, MAX_BODY_BYTES, WARM_UP_PATH, read_task
from shared.edge import Answer, bad_task, private, read_body
from shared.flow.attempt import Workshop, attempt_run
from shared.flow.look import Lookout
from shared.flow.quiet import look_at_quiet_connectors
from shared.flow.warmth import Instance, warm_up
from shared.gcp.oidc import callers_of_worker
from shared.wiring import Wiring

_instance = Instance()


@functions_framework.http
def worker(request: Request) -> Answer:
    """Attempt the run that a task names, warm up, or look at connectors."""
    return private(request, "worker", callers_of_worker, _serve)


def _serve(wiring: Wiring, request: Request) -> Answer:
    is_cold = _instance.begin_request()
    if request.path.rstrip("/").endswith(WARM_UP_PATH):
        result = "warm" if warm_up(wiring.engine, wiring.open_queue) else "cold"
    elif request.path.rstrip("/").endswith(LOOK_PATH):
        look_at_quiet_connectors(Lookout.of(wiring.engine, wiring.key, wiring.settings))
        result = "looked"
    else:
        body = read_body(request, MAX_BODY_BYTES)
        call = None if body is None else read_task(body)
        if call is None:
            return bad_task(body)
        workshop = Workshop.of(wiring.engine, wiring.open_queue(), wiring.key, wiring.settings)
        # Every end of an attempt is 200: another would make Cloud Tasks slow everybody's queue.
        result = attempt_run(workshop, call, is_cold=is_cold)
    _instance.note_alive(wiring.engine)
    return {"result": result}, 200
