"""Errors as RFC 9457 problem details: what is wrong, where, and what to do."""

import logging
import math
from collections.abc import Mapping
from datetime import timedelta

from flask import Flask, Response, g, json
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from shared.domain.run import Reason
from shared.errors import (
    ISSUER_UNAVAILABLE,
    BusyError,
    ConfigurationError,
    ConflictError,
    CredentialsError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    PremiseError,
    SynclineError,
    TransientError,
    UnauthenticatedError,
)
from shared.flow.cancel import RunEndedError
from shared.flow.trigger import RunActiveError
from shared.logs import class_and_place, log_event
from shared.store.troubles import Trouble, trouble_of
from shared.store.violations import violation_of
from shared.web.origin import request_id
from shared.web.repeats import InProgressError
from shared.web.strict_json import to_pointer

_log = logging.getLogger(__name__)
_OURS = "internal"
_MAX_ERRORS = 20
_MAX_DETAIL = 2_000
_OUR_WORDS = "Value error, "
"""What pydantic puts before sentences that are our own."""
_SOON = timedelta(seconds=1)
_LATER = timedelta(seconds=5)
_TROUBLES: Mapping[Trouble, tuple[str, timedelta]] = {
    Trouble.BUSY: ("Others hold what this request needs, or it took too long: ask again.", _SOON),
    Trouble.UNAVAILABLE: ("The database did not answer: ask again in some seconds.", _LATER),
}
"""What to do about trouble with the database, and after how long."""

_STATUS: Mapping[type[SynclineError], tuple[int, str]] = {
    InvalidInputError: (422, "The input breaks rules"),
    UnauthenticatedError: (401, "Not authenticated"),
    ForbiddenError: (403, "Not allowed"),
    NotFoundError: (404, "Not found"),
    ConflictError: (409, "Conflict"),
    PremiseError: (412, "Changed meanwhile"),
    BusyError: (429, "Too many requests"),
    # Somebody else's server stood in the way, which is no failure of ours.
    PermanentError: (424, "The source cannot be read"),
    TransientError: (424, "The source cannot be read now"),
}
_REALM = 'Bearer realm="syncline"'
_BROKEN = (500, "Internal error")
_LOGGED = "Something broke on our side; it is logged."
_UNAVAILABLE = (503, "Not available now")
_OF_OURS = frozenset(
    {Reason.DATASET_UNAVAILABLE, Reason.DATASET_BUSY, _OURS, ConfigurationError.code}
    | {ISSUER_UNAVAILABLE}
)
"""Codes of trouble that is the deployment's, whichever error brings it."""
_PAUSE = timedelta(seconds=30)
"""After which a caller may try again what the deployment could not do now."""

_HTTP: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be read."),
    404: ("not_found", "There is nothing at this path; /api/v2/openapi.json says what there is."),
    405: ("method_not_allowed", "This path has no such method; Allow names those that it has."),
    413: ("content_too_large", "The body is larger than 1 MiB."),
    415: ("unsupported_media_type", "Send JSON with Content-Type: application/json."),
}
"""Codes and sentences for what HTTP itself refuses."""

_REASONS: Mapping[str, tuple[str, str]] = {
    "extra_forbidden": ("it is not known here", "Leave it out."),
    "json_invalid": ("it is not JSON", "Send JSON in UTF-8."),
    "missing": ("it is missing", "Give it."),
    "uuid_parsing": ("it is no UUID", "Use an id as the API shows it."),
    "uuid_type": ("it is no UUID", "Use an id as the API shows it."),
}
"""Better words than pydantic's, some of which quote the input."""


def register_problems(app: Flask) -> None:
    """Answer every error of the application as a problem."""
    app.register_error_handler(SynclineError, _known)
    app.register_error_handler(ValidationError, _invalid_input)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeoutError, _database)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def problem(status: int, title: str, code: str, detail: str, **more: object) -> Response:
    """Return one problem as a response."""
    g.problem_code = code
    body = {"type": "about:blank", "title": title, "status": status, "code": code, **more}
    body |= {"detail": detail[:_MAX_DETAIL], "request_id": request_id()}
    return Response(json.dumps(body), status=status, mimetype="application/problem+json")


def _known(error: SynclineError) -> Response:
    status, title = _status_of(error)
    if status == 500:  # noqa: PLR2004
        return _unknown(error)
    if error.code == _OURS:
        _log_failure(error)
    detail = _LOGGED if error.code == _OURS else str(error)
    response = problem(status, title, error.code, detail, **_more(error))
    for name, value in _headers(error, status).items():
        response.headers[name] = value
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


def _more(error: SynclineError) -> dict[str, object]:
    match error:
        case InvalidInputError():
            return {
                "errors": [
                    {
                        "pointer": _pointer(one.field),
                        "code": one.code,
                        "reason": one.reason,
                        "hint": one.hint,
                    }
                    for one in error.problems[:_MAX_ERRORS]
                ]
            }
        case RunActiveError():
            return {"run_id": str(error.run)}
        case RunEndedError():
            return {"run_status": error.status}
        case PermanentError() | TransientError():
            return {"fault": error.fault}
        case _:
            return {}


def _headers(error: SynclineError, status: int) -> Mapping[str, str]:
    match error:
        case UnauthenticatedError() | ForbiddenError():
            return {"WWW-Authenticate": _challenge(error)}
        case BusyError():
            return _after(error.retry_after)
        case InProgressError():
            return _after(_SOON)
        case TransientError() if status == _UNAVAILABLE[0]:
            return _after(error.retry_after or _PAUSE)
        case _:
            return {}  # where only a person can help, no time is told


def _challenge(error: UnauthenticatedError | ForbiddenError) -> str:
    """Return what RFC 6750 has a client know: nothing more if it showed no credentials at all."""
    match error:
        case CredentialsError():
            return f'{_REALM}, error="invalid_token"'
        case UnauthenticatedError():
            return _REALM
        case ForbiddenError():
            return f'{_REALM}, error="insufficient_scope"'


def _after(pause: timedelta) -> Mapping[str, str]:
    return {"Retry-After": str(math.ceil(pause.total_seconds()))}


def _invalid_input(error: ValidationError) -> Response:
    # `input` is left out: it may be a secret in the wrong field.
    found = error.errors(include_input=False, include_url=False)[:_MAX_ERRORS]
    errors = [_field_error(one) for one in found]
    detail = "; ".join(f"{one['pointer']}: {one['reason']}" for one in errors)
    return problem(422, "The input breaks rules", "invalid_input", detail, errors=errors)


def _field_error(one: ErrorDetails) -> dict[str, str]:
    hint = str(one.get("ctx", {}).get("hint", ""))
    reason, hint = _REASONS.get(one["type"], (one["msg"].removeprefix(_OUR_WORDS), hint))
    pointer = to_pointer(map(str, one["loc"]))
    return {"pointer": pointer, "code": one["type"], "reason": reason, "hint": hint}


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code, usual = _HTTP.get(status, (error.name.lower().replace(" ", "_"), error.name))
    # Of HTTP's own sentences, some guess at what a person did; those that we gave are ours.
    is_ours = error.description is not None and error.description != type(error).description
    response = problem(status, error.name, code, error.description or "" if is_ours else usual)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _database(error: DBAPIError | PoolTimeoutError) -> Response:
    """Answer that the database is away or busy, if it is; else something of ours is broken."""
    trouble = trouble_of(error)
    if trouble is None:
        return _unknown(error)
    log_event(
        _log,
        logging.WARNING,
        "database_trouble",
        "The database did not do what a request asked of it",
        code=trouble,
        error_class=class_and_place(error),
        sqlstate=violation_of(error).sqlstate if isinstance(error, DBAPIError) else None,
        request_id=request_id(),
    )
    detail, pause = _TROUBLES[trouble]
    response = problem(*_UNAVAILABLE, trouble, detail)
    response.headers.update(_after(pause))
    return response


def _pointer(field: str) -> str:
    """Return the pointer for a field in dots, or as it is if it is one already."""
    return field if not field or field.startswith("/") else to_pointer(field.split("."))


def _unknown(error: Exception) -> Response:
    _log_failure(error)
    return problem(*_BROKEN, _OURS, _LOGGED)


def _log_failure(error: Exception) -> None:
    log_event(
        _log,
        logging.ERROR,
        "request_failed",
        "A request met an unexpected error",
        error_class=class_and_place(error),
        request_id=request_id(),
        # The words of our own errors are ours, and say what to set up.
        reason=str(error) if isinstance(error, SynclineError) else None,
    )
