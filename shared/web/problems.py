"""Errors as RFC 9457 problem details: what is wrong, where, and what to do."""

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta

from flask import Flask, Response, json
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from shared.domain.run import Reason
from shared.errors import (
    BusyError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    SynclineError,
    TransientError,
    UnauthenticatedError,
)
from shared.flow.trigger import RunActiveError
from shared.logs import class_and_place, log_event

_log = logging.getLogger(__name__)
_OURS = "internal"
_MAX_ERRORS = 20
_MAX_DETAIL = 2_000
_MAX_TOKEN = 100

_STATUS: Mapping[type[SynclineError], tuple[int, str]] = {
    InvalidInputError: (422, "The input breaks rules"),
    UnauthenticatedError: (401, "Not authenticated"),
    ForbiddenError: (403, "Not allowed"),
    NotFoundError: (404, "Not found"),
    ConflictError: (409, "Conflict"),
    BusyError: (429, "Too much at once"),
    # Somebody else's server stood in the way, which is no failure of ours.
    PermanentError: (424, "The source cannot be read"),
    TransientError: (424, "The source cannot be read now"),
}
_BROKEN = (500, "Internal error")
_LOGGED = "Something broke on our side; it is logged."
_UNAVAILABLE = (503, "Not available now")
_OF_OURS = frozenset(
    {Reason.DATASET_UNAVAILABLE, Reason.DATASET_BUSY, _OURS, ConfigurationError.code}
)
"""Codes of trouble that is the deployment's, whichever error brings it."""
_PAUSE = timedelta(seconds=30)
"""After which a caller may try again what the deployment could not do now."""


def register_problems(app: Flask) -> None:
    """Answer every error of the application as a problem."""
    app.register_error_handler(SynclineError, _known)
    app.register_error_handler(ValidationError, _invalid_body)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def problem(status: int, title: str, code: str, detail: str, **more: object) -> Response:
    """Return one problem as a response."""
    body = {"type": "about:blank", "title": title, "status": status, "code": code, **more}
    body["detail"] = detail[:_MAX_DETAIL]
    return Response(json.dumps(body), status=status, mimetype="application/problem+json")


def _known(error: SynclineError) -> Response:
    status, title = _status_of(error)
    if status == 500:  # noqa: PLR2004
        return _unknown(error)
    if error.code == _OURS:
        _log_unexpected(error)
    detail = _LOGGED if error.code == _OURS else str(error)
    response = problem(status, title, error.code, detail, **_more(error))
    if status == 401:  # noqa: PLR2004
        response.headers["WWW-Authenticate"] = 'Bearer realm="syncline"'
    pause = _pause_of(error) if status in (429, 503) else None
    if pause is not None:
        response.headers["Retry-After"] = f"{max(1, pause // timedelta(seconds=1))}"
    return response


def _status_of(error: SynclineError) -> tuple[int, str]:
    is_reading = isinstance(error, PermanentError | TransientError)
    if is_reading and error.code in _OF_OURS:
        passes = isinstance(error, TransientError) or error.code != _OURS
        return _UNAVAILABLE if passes else _BROKEN
    for kind, found in _STATUS.items():
        if isinstance(error, kind) and error.code != _OURS:
            return found
    return _BROKEN


def _pause_of(error: SynclineError) -> timedelta | None:
    """Return when to try again; None where only a person can help."""
    match error:
        case BusyError():
            return error.retry_after
        case TransientError():
            return error.retry_after or _PAUSE
        case _:
            return None


def _more(error: SynclineError) -> dict[str, object]:
    match error:
        case InvalidInputError():
            return {
                "errors": [
                    {
                        "pointer": _pointer(one.field.split(".")),
                        "code": one.code,
                        "reason": one.reason,
                        "hint": one.hint,
                    }
                    for one in error.problems[:_MAX_ERRORS]
                ]
            }
        case RunActiveError():
            return {"run_id": str(error.run)}
        case PermanentError() | TransientError():
            return {"fault": error.fault}
        case _:
            return {}


def _invalid_body(error: ValidationError) -> Response:
    errors = [
        {
            "pointer": _pointer(map(str, one["loc"])),
            "code": one["type"],
            "reason": one["msg"],
            "hint": "",
        }
        # `input` is left out: it may be a secret in the wrong field.
        for one in error.errors(include_input=False, include_url=False, include_context=False)[
            :_MAX_ERRORS
        ]
    ]
    detail = "; ".join(f"{one['pointer']}: {one['reason']}" for one in errors)
    return problem(422, "The input breaks rules", "invalid_input", detail, errors=errors)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code = error.name.lower().replace(" ", "_")
    response = problem(status, error.name, code, error.description or error.name)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _pointer(tokens: Iterable[str]) -> str:
    escaped = (token[:_MAX_TOKEN].replace("~", "~0").replace("/", "~1") for token in tokens)
    return "/" + "/".join(escaped)


def _unknown(error: Exception) -> Response:
    _log_unexpected(error)
    return problem(*_BROKEN, _OURS, _LOGGED)


def _log_unexpected(error: Exception) -> None:
    log_event(
        _log,
        logging.ERROR,
        "request_failed",
        "A request met an unexpected error",
        error_class=class_and_place(error),
        # The words of our own errors are ours, and say what to set up.
        reason=str(error) if isinstance(error, SynclineError) else None,
    )
