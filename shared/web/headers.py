"""Headers of every answer: what browsers may do with it, and by what support finds its request."""

import re

from flask import Flask, Response, request

from shared.logs import bind_trace
from shared.web.auth import wiring
from shared.web.origin import REQUEST_ID, request_id

_TRACEPARENT_FORM = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_OK = 200
_NO_CONTENT = 204
_HARDENED = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def register_headers(app: Flask) -> None:
    """Give every answer of the application its headers."""
    app.before_request(_note_request)
    app.after_request(_finish)


def _note_request() -> None:
    headers = request.headers
    bind_trace(
        headers.get("traceparent", ""),
        headers.get("X-Cloud-Trace-Context", ""),
        wiring().settings.project,
    )


def _finish(response: Response) -> Response:
    for name, value in _HARDENED.items():
        response.headers.setdefault(name, value)
    response.headers[REQUEST_ID] = request_id()
    trace = request.headers.get("traceparent", "")
    if _TRACEPARENT_FORM.fullmatch(trace):
        response.headers["traceparent"] = trace
    if request.method == "OPTIONS" and response.status_code == _OK:
        response.status_code = _NO_CONTENT
        response.headers.pop("Content-Type", None)
    if response.status_code == _NO_CONTENT:
        response.headers.pop("Content-Length", None)
    return response
