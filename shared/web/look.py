"""/api/v2/connectors/{id}: check its settings against its source, and list what that offers."""

import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from shared.connectors.base import SourceStream
from shared.domain.access import Role
from shared.errors import BusyError
from shared.flow.gate import Gate
from shared.flow.look import CheckReport, Finding, Lookout, check_connector, streams_of
from shared.web.auth import principal, wiring
from shared.web.operations import SOURCE_PROBLEMS, Answers
from shared.web.present import instant
from shared.web.routes import Routes
from shared.web.shapes import connectors as shapes

_gate = Gate(at_once=4, of_one=2, what="looks at sources", pause=timedelta(seconds=10))
"""A look may take 20 seconds, and an instance serves few requests at once."""
_PROBLEMS = {**SOURCE_PROBLEMS, HTTPStatus.TOO_MANY_REQUESTS: (BusyError.code,)}

routes = Routes("look", "/api/v2/connectors/<uuid:connector>", tag="Connectors")


@routes.on(
    "POST",
    "/check",
    "check_connector",
    Role.EDITOR,
    Answers(HTTPStatus.OK, shapes.CheckReport, _PROBLEMS),
)
def check(connector: uuid.UUID) -> dict[str, Any]:
    """Look whether the source lets the connector in, and has each of its streams."""
    with _gate.passed(principal().workspace_id):
        return _present_report(check_connector(_lookout(), principal(), connector))


@routes.on(
    "GET",
    "/streams",
    "list_streams",
    Role.EDITOR,
    Answers(HTTPStatus.OK, shapes.SourceStreams, _PROBLEMS),
)
def streams(connector: uuid.UUID) -> dict[str, Any]:
    """List the streams that the source offers."""
    with _gate.passed(principal().workspace_id):
        found = streams_of(_lookout(), principal(), connector)
    items = [_present_stream(stream) for stream in found]
    return {"items": items, "truncated": found.is_truncated}


def _lookout() -> Lookout:
    parts = wiring()
    return Lookout.of(parts.engine, parts.key, parts.settings)


def _present_report(report: CheckReport) -> dict[str, Any]:
    return {
        "ok": report.is_ok,
        "checked_at": instant(report.checked_at),
        "findings": [_present_finding(finding) for finding in report.findings],
        "not_looked_at": list(report.not_looked_at),
    }


def _present_finding(finding: Finding) -> dict[str, Any]:
    return {
        "stream": finding.stream,
        "code": finding.code,
        "fault": finding.fault,
        "message": finding.message,
        "is_transient": finding.is_transient,
    }


def _present_stream(stream: SourceStream) -> dict[str, Any]:
    return {
        "name": stream.name,
        "kind": stream.kind,
        "primary_key": list(stream.primary_key),
        "cursors": list(stream.cursors),
        "columns": [
            {"name": column.name, "type": column.type, "nullable": column.is_nullable}
            for column in stream.columns
        ],
        "settings": dict(stream.settings),
    }
