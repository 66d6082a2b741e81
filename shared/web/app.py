"""The Flask application."""

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest

from shared.logs import bind_trace
from shared.web import (
    blackouts,
    connector_types,
    connectors,
    datasets,
    due,
    health,
    look,
    oauth,
    preview,
    reports,
    runs,
    schedules,
    watermarks,
)
from shared.web.auth import wiring
from shared.web.problems import register_problems
from shared.wiring import Wiring

_MAX_BODY_BYTES = 1 << 20


def create_app(parts: Wiring) -> Flask:
    """Return the application on a deployment's wiring."""
    app = Flask("syncline")
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY_BYTES
    app.json.sort_keys = False  # pyright: ignore[reportAttributeAccessIssue]
    app.extensions["syncline"] = parts
    for module in (
        health,
        blackouts,
        connector_types,
        connectors,
        datasets,
        look,
        oauth,
        due,
        preview,
        reports,
        schedules,
        runs,
        watermarks,
    ):
        app.register_blueprint(module.blueprint)
    register_problems(app)
    app.before_request(_note_trace)
    app.before_request(_refuse_nul)
    app.after_request(_harden)
    return app


def _note_trace() -> None:
    headers = request.headers
    bind_trace(
        headers.get("traceparent", ""),
        headers.get("X-Cloud-Trace-Context", ""),
        wiring().settings.project,
    )


def _refuse_nul() -> None:
    """Raise `BadRequest` for what no text in a database may hold."""
    arguments = (text for pair in request.args.items(multi=True) for text in pair)
    if any("\0" in text for text in (request.path, *arguments)):
        raise BadRequest("The address holds a NUL character, which no text may have.")


def _harden(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
