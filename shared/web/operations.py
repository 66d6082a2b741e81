"""The one form of every route: what it demands, takes and answers; the server and the docs read it.

A route without a role does not exist: the form cannot be made without one, and the application
does not start with a route that was not declared by it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal

from flask import Flask

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.errors import ConfigurationError
from shared.store.troubles import Trouble
from shared.web.bodies import Body
from shared.web.queries import Query

View = Callable[..., Any]

ANYONE: Final = "anyone"
"""In place of a role: the route is open, and knows no caller."""

VERIFIED: Final = "verified"
"""In place of a role: whoever proves who they are, a member of one workspace, several or none."""

Access = Role | Literal["anyone", "verified"]

DATABASE_PROBLEMS: Final = {HTTPStatus.SERVICE_UNAVAILABLE: (Trouble.BUSY, Trouble.UNAVAILABLE)}
"""How routes refuse that need the database."""

SOURCE_PROBLEMS: Final = {
    HTTPStatus.FAILED_DEPENDENCY: ("source_unavailable", "authorization", "configuration")
}
"""How routes refuse that ask somebody else's server: it stood in the way, and `fault` says how."""

DATASET_PROBLEMS: Final = {
    HTTPStatus.SERVICE_UNAVAILABLE: ("dataset_unavailable", "dataset_busy", "deployment")
}
"""How routes refuse that ask the deployment's own datasets."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where an answer leads: an operation, and its path's parameters as pointers in the answer."""

    operation: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Takes:
    """What a route takes besides its path."""

    body: type[Body] | None = None
    query: type[Query] | None = None
    body_is_optional: bool = False
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Bodies that are accepted as they are, by what they show."""
    key: bool = False
    """A repeated Idempotency-Key gets the answer of the first request."""
    premise: bool = False
    """If-Match is compared in the transaction of the change."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Other headers that the view reads, and what they are for."""
    is_raw: bool = False
    """The body is any bytes, which the view reads by itself."""
    operator_token: bool = False
    """Of an open route: the view wants the token of whoever runs the deployment."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a route answers when all is well, and how it refuses besides what all routes do."""

    status: HTTPStatus
    shape: Any = None
    """A TypedDict of the answer's JSON, or None if there is no body."""
    problems: Mapping[HTTPStatus, tuple[str, ...]] = field(
        default_factory=dict[HTTPStatus, tuple[str, ...]]
    )
    """The codes of its own refusals, by status."""
    otherwise: Mapping[HTTPStatus, Any] = field(default_factory=dict[HTTPStatus, Any])
    """Shapes of other answers that are no problems, by status."""
    version: Callable[[Mapping[str, Any]], object] | None = None
    """What If-Match compares, from the answer; where it is None, ETag is of the bytes alone."""
    links: tuple[Link, ...] = ()
    shown_once: tuple[str, ...] = ()
    """Fields that are secret: an answer to a repeated request has null in their place."""
    media_type: str = "application/json"
    other_media_types: tuple[str, ...] = ()
    """Of texts that the caller can choose instead."""
    examples: Mapping[str, str] = field(default_factory=dict[str, str])
    """Texts that are answered, by media type."""
    location: bool = False
    """Location says where to read what was made."""
    is_tagged: bool = False
    """The view itself sends an ETag, and 304 to whoever has the answer already."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    access: Access
    takes: Takes
    answers: Answers
    changes: ObjectKind | None = None
    """What it changes; None if it only reads or asks."""


def operation_of(view: View) -> Operation | None:
    """Return the operation that a view was declared as, or None."""
    return getattr(view, "operation", None)


def operations_of(app: Flask) -> list[Operation]:
    """Return the operations of an application, by path and method.

    Raises `ConfigurationError` for a route that was not declared, and for an id that is used twice.
    """
    found: dict[str, Operation] = {}
    for rule in app.url_map.iter_rules():
        operation = operation_of(app.view_functions[rule.endpoint])
        if operation is None:
            raise ConfigurationError(
                f"The route {rule.rule} is not declared: it names no role, so that it is refused."
            )
        if operation.id in found:
            raise ConfigurationError(f"Two routes have the operation id {operation.id}.")
        found[operation.id] = operation
    return sorted(found.values(), key=lambda one: (one.path, one.method))
