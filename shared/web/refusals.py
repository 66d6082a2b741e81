"""How a route may refuse: its own problems, and those that follow from what it takes."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from shared.errors import ISSUER_UNAVAILABLE
from shared.web.operations import ANYONE, DATABASE_PROBLEMS, Operation
from shared.web.repeats import InProgressError

_OF_EVERY_CALLER: Mapping[HTTPStatus, tuple[str, ...]] = {
    HTTPStatus.UNAUTHORIZED: ("unauthenticated", "workspace_deleted"),
    HTTPStatus.FORBIDDEN: (
        "forbidden",
        "invitation_open",
        "not_a_member",
        "workspace_disabled",
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("invalid_input",),
    HTTPStatus.SERVICE_UNAVAILABLE: (ISSUER_UNAVAILABLE,),
}
_OF_ANY_BODY: Mapping[HTTPStatus, tuple[str, ...]] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("content_too_large",),
}
_OF_JSON: Mapping[HTTPStatus, tuple[str, ...]] = {
    HTTPStatus.BAD_REQUEST: ("bad_request",),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type",),
}


def refusals_of(operation: Operation) -> dict[HTTPStatus, set[str]]:
    """Return the codes of a route's problems, by status."""
    found: dict[HTTPStatus, set[str]] = {}
    for some in _sets_of(operation):
        for status, codes in some.items():
            found.setdefault(status, set()).update(codes)
    return {
        status: codes
        for status, codes in found.items()
        if status not in operation.answers.otherwise
    }


def _sets_of(operation: Operation) -> Iterator[Mapping[HTTPStatus, tuple[str, ...]]]:
    takes, has_caller = operation.takes, operation.access != ANYONE
    has_json = operation.method in ("POST", "PUT", "PATCH") and not takes.is_raw
    yield operation.answers.problems
    yield {HTTPStatus.INTERNAL_SERVER_ERROR: ("internal",)}
    yield from (_OF_EVERY_CALLER, DATABASE_PROBLEMS) if has_caller else ()
    yield from (_OF_ANY_BODY, _OF_JSON) if has_json else ()
    if takes.is_raw:
        yield _OF_ANY_BODY
    if takes.operator_token:
        yield {HTTPStatus.UNAUTHORIZED: ("unauthenticated",)}
    if "<" in operation.path:
        yield {HTTPStatus.NOT_FOUND: ("not_found",)}
    if takes.premise:
        yield {HTTPStatus.PRECONDITION_FAILED: ("precondition_failed",)}
    if takes.key:
        yield {HTTPStatus.CONFLICT: (InProgressError.code,)}
