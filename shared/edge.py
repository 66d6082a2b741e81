"""The edge of the private functions: only the right service account comes in, by POST."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.config import Settings
from shared.errors import SynclineError, UnauthenticatedError
from shared.logs import bind_trace, class_and_place, log_event
from shared.wiring import Wiring, wire

if TYPE_CHECKING:
    from flask import Request

    from shared.gcp.oidc import CallerVerifier

_log = logging.getLogger(__name__)

Answer = tuple[dict[str, object], int]
"""A JSON body and an HTTP status."""


def read_body(request: "Request", limit: int) -> bytes | None:
    """Return the body of a request, or None if it is longer than `limit` bytes."""
    if (request.content_length or 0) > limit:
        return None
    body = request.stream.read(limit + 1)
    return None if len(body) > limit else body


def bad_task(body: bytes | None) -> Answer:
    """Answer a task whose body names no run: by 200, since repeating it would not help."""
    log_event(
        _log,
        logging.WARNING,
        "bad_task",
        "A task named no run and was dropped",
        body_bytes="too many" if body is None else len(body),
    )
    return {"result": "bad_task"}, 200


def private(
    request: "Request",
    service: str,
    callers: Callable[[Settings], "CallerVerifier"],
    handle: Callable[[Wiring, "Request"], Answer],
) -> Answer:
    """Answer a call of one service account by `handle`; refuse and log everybody else's.

    An unexpected error is a 500 whose text stays inside: Cloud Tasks and Cloud Scheduler try
    again, and what the log needs is its class and place.
    """
    wiring = wire(service)
    headers = request.headers
    bind_trace(
        headers.get("traceparent", ""),
        headers.get("X-Cloud-Trace-Context", ""),
        wiring.settings.project,
    )
    try:
        callers(wiring.settings).verify(headers.get("Authorization", ""))
        if request.method != "POST":
            return {"code": "method_not_allowed", "detail": "Use POST."}, 405
        return handle(wiring, request)
    except UnauthenticatedError as error:
        log_event(
            _log,
            logging.WARNING,
            "caller_refused",
            "A call without a valid token was refused",
            service_called=service,
            reason=str(error),
        )
        return {"code": error.code, "detail": "A valid OIDC token is required."}, 401
    except Exception as error:  # noqa: BLE001 (the edge between us and the platform)
        log_event(
            _log,
            logging.ERROR,
            "request_failed",
            "A request met an unexpected error",
            error_class=class_and_place(error),
            reason=str(error) if isinstance(error, SynclineError) else None,
        )
        return {"code": "internal", "detail": "Something broke on our side; it is logged."}, 500
