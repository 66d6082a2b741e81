"""How every request is served: admit the caller, read the input, act once, tag the answer."""

from collections.abc import Mapping
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode

from flask import Response, current_app, g, request

from shared.web.auth import admit
from shared.web.etags import tag_answer
from shared.web.intake import read_input
from shared.web.operations import Operation, View
from shared.web.repeats import once


def serve(operation: Operation, view: View) -> View:
    """Return what Flask calls for a route."""

    @wraps(view)
    def served(**path: Any) -> Response:
        g.operation = operation
        admit(operation.access)
        given = read_input(operation, path)
        return once(operation, lambda: _answer(operation, view(**path, **given)))

    served.operation = operation  # pyright: ignore[reportAttributeAccessIssue]
    return served


def _answer(operation: Operation, returned: Any) -> Response:
    response = current_app.make_response(returned)
    shown = returned[0] if isinstance(returned, tuple) else returned
    if response.mimetype != "application/json" or not isinstance(shown, Mapping):
        return response
    _link_next_page(response, cast("Mapping[str, Any]", shown))
    version_of = operation.answers.version
    if version_of is not None:
        return tag_answer(response, version_of(shown))
    return tag_answer(response) if operation.method == "GET" else response


def _link_next_page(response: Response, shown: Mapping[str, Any]) -> None:
    cursor = shown.get("next_cursor")
    if cursor is not None:
        query = urlencode({**request.args.to_dict(), "cursor": cursor})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
