"""/api/v2/audit-log: who changed what, and what was refused, newest first."""

import uuid
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

from flask import Response, json
from pydantic import Field, StringConstraints

from shared.domain.access import Role
from shared.domain.audit import AuditFilter, ObjectKind, Outcome
from shared.domain.instants import parse_instant
from shared.flow.audit_export import export_audit
from shared.store.audit_pages import list_audit, snapshot_for
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.exports import Pages, streamed
from shared.web.log_places import LogCursor, decode_place, encode_place
from shared.web.operations import Answers, Takes
from shared.web.present import instant
from shared.web.queries import Instant, Limit, Query
from shared.web.routes import Routes
from shared.web.shapes.audit import AuditEntries

routes = Routes("audit_log", "/api/v2/audit-log", tag="Workspace")

_DEFAULT_LIMIT = 50


class AuditQuery(Query):
    """Which entries; all of them, if nothing is said."""

    action: (
        Annotated[
            str,
            StringConstraints(pattern="^[a-z_]{1,64}$"),
            Field(description="The id of an operation, such as `pause_schedule`."),
        ]
        | None
    ) = None
    object_kind: ObjectKind | None = None
    object_id: uuid.UUID | None = None
    actor_id: uuid.UUID | None = None
    outcome: Outcome | None = None
    since: Annotated[Instant, Field(description="Written at this instant or later.")] | None = None
    until: Annotated[Instant, Field(description="Written before this instant.")] | None = None


class AuditPageQuery(AuditQuery):
    """Which entries, and which page of them."""

    limit: Limit = _DEFAULT_LIMIT
    cursor: LogCursor | None = None


@routes.on(
    "GET",
    "",
    "list_audit_log",
    Role.ADMIN,
    Answers(HTTPStatus.OK, AuditEntries),
    Takes(query=AuditPageQuery),
)
def browse(query: AuditPageQuery) -> dict[str, Any]:
    """List who changed what in the workspace, and what was refused, newest first.

    A page may be short, or empty, while `next_cursor` is not null: where several filters meet, a
    page looks at 5,000 entries of one of them and no more.
    """
    wanted, after = _filter(query), decode_place(query.cursor)
    with snapshot_for(wiring().engine, wanted) as connection:
        page = list_audit(
            connection, principal().workspace_id, wanted, after=after, limit=query.limit
        )
    return {
        "items": [_present(row) for row in page.rows],
        "next_cursor": encode_place(page.next_place),
    }


@routes.on(
    "GET",
    "/export",
    "export_audit_log",
    Role.ADMIN,
    Answers(HTTPStatus.OK, media_type="application/jsonl"),
    Takes(query=AuditQuery),
)
def export(query: AuditQuery) -> Response:
    """Export the entries of a filter as JSON lines, newest first.

    Besides what a list has of an entry, each has `previous_hash` and `hashed`, with which everybody
    can verify an export without a filter, or with `since` and `until` alone: `hash` is the SHA-256
    of the bytes of `previous_hash` and the text `hashed`.

    The answer is streamed, without a length: a whole one ends with a line
    `{"complete": true, "entries": <entries>}`. One without it was cut off.
    """
    pages = export_audit(wiring().engine, principal(), _filter(query))
    return Response(
        streamed(pages, lines_of),
        mimetype="application/jsonl",
        headers={"Content-Disposition": 'attachment; filename="audit-log.jsonl"'},
    )


def lines_of(pages: Pages) -> Iterator[str]:
    """Return the lines of an export, many at once: `shared.domain.audit_chain` reads them."""
    count = 0
    for page in pages:
        count += len(page)
        yield "".join(f"{json.dumps(_export(row))}\n" for row in page)
    yield f"{json.dumps({'complete': True, 'entries': count})}\n"


def _filter(query: AuditQuery) -> AuditFilter:
    return AuditFilter(
        action=query.action,
        kind=query.object_kind,
        object_id=query.object_id,
        actor_id=query.actor_id,
        outcome=query.outcome,
        since=None if query.since is None else parse_instant(query.since, "since"),
        until=None if query.until is None else parse_instant(query.until, "until"),
    )


def _export(row: Row) -> dict[str, Any]:
    previous = bytes(row["previous_hash"]).hex()
    return {**_present(row), "previous_hash": previous, "hashed": row["hashed"]}


def _present(row: Row) -> dict[str, Any]:
    return {
        "number": row["seq"],
        "at": instant(row["created_at"]),
        "actor": {
            "kind": row["actor_kind"],
            "id": _text(row["actor_id"]),
            "name": row["actor_name"],
            "address": row["address"],
            "request_id": row["request_id"],
        },
        "action": row["action"],
        "object": {
            "kind": row["object_kind"],
            "id": _text(row["object_id"]),
            "name": row["object_name"],
        },
        "outcome": row["outcome"],
        "code": row["code"],
        "before": row["before"],
        "after": row["after"],
        "hash": bytes(row["hash"]).hex(),
    }


def _text(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)
