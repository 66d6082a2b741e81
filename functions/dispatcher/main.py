"""The dispatcher: Cloud Scheduler calls it every minute, and it does what is due."""

import functions_framework
from flask import Request

from shared.edge import Answer, private
from shared.flow.tick import run_tick
from shared.gcp.oidc import callers_of_dispatcher
from shared.wiring import Wiring


@functions_framework.http
def dispatcher(request: Request) -> Answer:
    """Run one tick for Cloud Scheduler."""
    return private(request, "dispatcher", callers_of_dispatcher, _tick)


def _tick(wiring: Wiring, _request: Request) -> Answer:
    report = run_tick(
        wiring.engine,
        wiring.open_queue(),
        look_ahead=wiring.settings.look_ahead,
        budget=wiring.settings.tick_budget,
    )
    return {"claimed": report.claimed, "enqueued": report.enqueued}, 200
