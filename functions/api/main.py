"""The api: JSON under /api/v2, and health."""

from functools import cache

import functions_framework
from flask import Flask, Request
from werkzeug.wrappers import Response

from shared.web.app import create_app
from shared.wiring import wire


@functions_framework.http
def api(request: Request) -> Response:
    """Serve a request of a browser or a program."""
    return Response.from_app(_app(), request.environ)


@cache
def _app() -> Flask:
    return create_app(wire("api"))
