"""/api/v2/connectors/due: which of the workspace's connectors are due at an instant."""

from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Any

from shared.domain.access import Role
from shared.domain.due import DueConnector, minute_of
from shared.domain.instants import parse_instant
from shared.errors import InvalidInputError, Problem
from shared.flow.due import connectors_due_at
from shared.store.engine import single_statements
from shared.store.ticks import as_of
from shared.web.auth import principal, wiring
from shared.web.cursors import (
    HINT,
    decode_cursor,
    encode_cursor,
    read_cursor,
    to_instant,
    to_number,
)
from shared.web.operations import Answers, Takes
from shared.web.present import instant
from shared.web.queries import DueQuery
from shared.web.routes import Routes
from shared.web.shapes.schedules import DueConnectors

routes = Routes("due", "/api/v2/connectors/due", tag="Connectors")


@routes.on(
    "GET",
    "",
    "list_due_connectors",
    Role.VIEWER,
    Answers(HTTPStatus.OK, DueConnectors),
    Takes(query=DueQuery),
)
def browse(query: DueQuery) -> dict[str, Any]:
    """List the connectors due at `at`, or now, oldest schedule first.

    The cursor holds the minute too: all pages of an answer about now are about the same minute.
    """
    limit = query.limit
    minute, after_key = _asked(query.at, query.cursor)
    found = list(
        islice(
            connectors_due_at(
                wiring().engine,
                minute,
                workspace_id=principal().workspace_id,
                after_key=after_key,
            ),
            limit + 1,
        )
    )
    shown = found[:limit]
    return {
        "at": instant(minute),
        "items": [_present(due) for due in shown],
        "next_cursor": _encode(minute, shown[-1].key) if len(found) > limit else None,
    }


def _asked(at: str | None, cursor: str | None) -> tuple[datetime, int]:
    """Return the minute that the request is about, and the key after which its page begins."""
    named = None if at is None else minute_of(parse_instant(at))
    place = read_cursor(cursor, _decode)
    if place is not None:
        if named not in (None, place[0]):
            reason = "it belongs to another instant than `at`"
            raise InvalidInputError(Problem("cursor", "cursor_form", reason, HINT))
        return place
    if named is not None:
        return named, 0
    with single_statements(wiring().engine) as connection:
        return minute_of(as_of(connection, None)), 0


def _decode(cursor: str) -> tuple[datetime, int]:
    minute, key = decode_cursor(cursor, 2)
    return to_instant(minute), key


def _encode(minute: datetime, key: int) -> str:
    return encode_cursor(to_number(minute), key)


def _present(due: DueConnector) -> dict[str, Any]:
    return {
        "connector_id": str(due.connector_id),
        "connector_name": due.connector_name,
        "connector_type": due.connector_type,
        "schedule_id": str(due.schedule_id),
        "period_at": instant(due.period_at),
        "starts_at": instant(due.starts_at),
    }
