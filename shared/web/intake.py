"""The input of a request, read and validated in one place by what its route declares."""

from collections.abc import Mapping
from typing import Any

from flask import request
from werkzeug.exceptions import (
    BadRequest,
    NotFound,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from shared.errors import InvalidInputError, Problem
from shared.web.bodies import Body, NoBody
from shared.web.operations import ANYONE, Operation
from shared.web.queries import NoQuery, Query
from shared.web.strict_json import MalformedError, parse_object

MAX_BODY_BYTES = 1 << 20

_NO_BODY_READ = frozenset({"GET", "DELETE"})


def read_input(operation: Operation, path: Mapping[str, object]) -> dict[str, Any]:
    """Return the arguments that a view gets besides the parts of its path.

    Raises pydantic's `ValidationError`, `InvalidInputError`, or what HTTP calls a body that cannot
    be read at all.
    """
    if any("\0" in part for part in path.values() if isinstance(part, str)):
        raise NotFound
    takes = operation.takes
    given: dict[str, Any] = {}
    if operation.access == ANYONE:
        return given  # probes and browsers put all sorts of things behind the ?
    query = _read_query(takes.query or NoQuery)
    if takes.query is not None:
        given["query"] = query
    if takes.body is not None:
        given["body"] = _read_body(takes.body, is_optional=takes.body_is_optional)
    elif operation.method not in _NO_BODY_READ:
        _read_body(NoBody, is_optional=True)
    return given


def read_bytes() -> bytes:
    """Return the body as it came; raise `RequestEntityTooLarge` if there is too much of it.

    Werkzeug refuses a length that is declared and too large. Of a body that declares none it takes
    as much as it may and drops the rest: that is one byte more than ours, by which it is noticed.
    """
    data = request.get_data()
    if len(data) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    return data


def _read_query(model: type[Query]) -> Query:
    twice = [name for name in request.args if len(request.args.getlist(name)) > 1]
    if twice:
        raise InvalidInputError(
            *(Problem(name, "parameter_twice", "it comes twice", "Say it once.") for name in twice)
        )
    return model.model_validate(request.args.to_dict())


def _read_body(model: type[Body], *, is_optional: bool) -> Body:
    data = read_bytes()
    if is_optional and not data:
        return model()
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON with Content-Type: application/json.")
    try:
        parse_object(data)
    except MalformedError as error:
        raise BadRequest(str(error)) from None
    # From the text once more: what JSON has no form of, such as a UUID, is taken from its strings.
    return model.model_validate_json(data, strict=True)
