"""How a route may refuse: its own problems, and those that follow from what it takes."""

from collections.abc import Mapping
from http import HTTPStatus

from shared.web.operations import ANYONE, Operation
from shared.web.repeats import InProgressError

_OF_EVERY_CALLER: Mapping[HTTPStatus, tuple[str, ...]] = {
    HTTPStatus.UNAUTHORIZED: ("unauthenticated", "workspace_deleted"),
    HTTPStatus.FORBIDDEN: ("forbidden", "workspace_disabled"),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("invalid_input",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("database_unavailable",),
}
_OF_A_BODY: Mapping[HTTPStatus, tuple[str, ...]] = {
    HTTPStatus.BAD_REQUEST: ("bad_request",),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("content_too_large",),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type",),
}


def refusals_of(operation: Operation) -> dict[HTTPStatus, set[str]]:
    """Return the codes of a route's problems, by status."""
    found: dict[HTTPStatus, set[str]] = {}

    def add(more: Mapping[HTTPStatus, tuple[str, ...]]) -> None:
        for status, codes in more.items():
            found.setdefault(status, set()).update(codes)

    takes = operation.takes
    add(operation.answers.problems)
    add({HTTPStatus.INTERNAL_SERVER_ERROR: ("internal",)})
    if operation.access != ANYONE:
        add(_OF_EVERY_CALLER)
    if "<" in operation.path:
        add({HTTPStatus.NOT_FOUND: ("not_found",)})
    if operation.method in ("POST", "PUT", "PATCH"):
        add(_OF_A_BODY)
    if takes.premise:
        add({HTTPStatus.PRECONDITION_FAILED: ("precondition_failed",)})
    if takes.key:
        add({HTTPStatus.CONFLICT: (InProgressError.code,)})
    return {
        status: codes
        for status, codes in found.items()
        if status not in operation.answers.otherwise
    }
