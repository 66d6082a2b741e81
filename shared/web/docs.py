"""/api/v2/openapi.json, the API as a document, and /api/v2/docs, a page to read and try it."""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from flask import Response, current_app, json, request
from werkzeug.exceptions import NotFound

from shared.web.operations import ANYONE, Answers, operations_of
from shared.web.routes import Routes

routes = Routes("docs", "/api/v2", tag="Docs")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSETS = {
    "start.js": ("shared.web", "docs_page/start.js", "text/javascript"),
    "swagger-ui.css": ("flask_swagger_ui", "dist/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("flask_swagger_ui", "dist/swagger-ui-bundle.js", "text/javascript"),
}
_DOCUMENT = "syncline.openapi"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    zipped: bytes
    tag: str
    media_type: str


@routes.on(
    "GET",
    "/openapi.json",
    "read_openapi",
    ANYONE,
    Answers(HTTPStatus.OK, dict[str, Any], is_tagged=True),
)
def document() -> Response:
    """Read this document."""
    known = current_app.extensions
    if _DOCUMENT not in known:
        from shared.web.openapi import describe  # noqa: PLC0415 (a cold start goes without)

        text = json.dumps(describe(operations_of(current_app)), separators=(",", ":"))
        known[_DOCUMENT] = _file(text.encode(), "application/json")
    return _served(known[_DOCUMENT], "no-cache")


@routes.on(
    "GET",
    "/docs",
    "show_docs",
    ANYONE,
    Answers(HTTPStatus.OK, media_type="text/html", is_tagged=True),
)
def page() -> Response:
    """Show this document as a page on which every operation can be tried."""
    content = (files("shared.web") / "docs_page" / "index.html").read_bytes()
    response = _served(_file(content, "text/html"), "no-cache")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@routes.on(
    "GET",
    "/docs/<path:asset>",
    "show_docs_asset",
    ANYONE,
    Answers(HTTPStatus.OK, media_type="*/*", is_tagged=True),
)
def asset(asset: str) -> Response:
    """Read what the page is made of."""
    if asset not in _ASSETS:
        raise NotFound
    return _served(_asset(asset), "public, max-age=3600")


@cache
def _asset(name: str) -> _File:
    package, path, media_type = _ASSETS[name]
    return _file((files(package) / path).read_bytes(), media_type)


def _file(content: bytes, media_type: str) -> _File:
    zipped = gzip.compress(content, mtime=0)
    return _File(content, zipped, sha256(content).hexdigest()[:32], f"{media_type}; charset=utf-8")


def _served(file: _File, caching: str) -> Response:
    takes_gzip = request.accept_encodings["gzip"] > 0
    tag = f"{file.tag}-gzip" if takes_gzip else file.tag
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding", "ETag": f'"{tag}"'}
    if request.if_none_match.contains_weak(tag):
        return Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if takes_gzip:
        headers["Content-Encoding"] = "gzip"
    content = file.zipped if takes_gzip else file.content
    return Response(content, headers={**headers, "Content-Type": file.media_type})
