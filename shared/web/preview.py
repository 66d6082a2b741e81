"""/api/v2/sync-schedules/…/preview: the coming periods of a schedule, saved or not saved yet."""

import uuid
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from shared.domain.access import Role
from shared.domain.schedule import (
    BlackoutPolicy,
    MissedRunPolicy,
    RecurrenceFields,
    Schedule,
    build_recurrence,
)
from shared.domain.schedule_preview import PreviewItem, SchedulePreview, preview_schedule
from shared.errors import NotFoundError
from shared.flow.schedules import TIMING, require_recurrence
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.schedules import find_pause, find_schedule, to_schedule
from shared.store.ticks import as_of
from shared.web.auth import principal, wiring
from shared.web.bodies import PreviewBody
from shared.web.examples import NEW_TIMING
from shared.web.operations import Answers, Takes
from shared.web.present import instant
from shared.web.queries import PreviewQuery
from shared.web.routes import Routes
from shared.web.shapes.schedules import Preview
from shared.web.windows import caller_windows

routes = Routes("preview", "/api/v2/sync-schedules", tag="Schedules")

_NO_CONNECTOR = uuid.UUID(int=0)
_NO_ROW = 0


@routes.on(
    "GET",
    "/<uuid:schedule>/preview",
    "preview_schedule",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Preview),
    Takes(query=PreviewQuery),
)
def of_saved(schedule: uuid.UUID, query: PreviewQuery) -> dict[str, Any]:
    """Preview the coming periods of a schedule as it is."""
    with single_statements(wiring().engine) as connection:
        row = find_schedule(connection, principal().workspace_id, schedule)
    if row is None:
        raise NotFoundError("There is no such schedule.")
    saved = to_schedule(row, caller_windows())
    recurrence = build_recurrence(saved.recurrence)
    preview = preview_schedule(saved, recurrence, row["as_of"], query.count)
    return _present(preview, saved)


@routes.on(
    "POST",
    "/preview",
    "preview_timing",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Preview, {HTTPStatus.NOT_FOUND: ("foreign_key_integrity",)}),
    Takes(PreviewBody, examples={"every Monday": NEW_TIMING}),
)
def of_wanted(body: PreviewBody) -> dict[str, Any]:
    """Preview a schedule that is not saved yet; what saving refuses is refused alike.

    Without a connector nobody knows its spread, so that every run starts at its period.
    """
    connector, paused_until, now = _stored(body.connector_id)
    timing = body.model_dump(include=set(TIMING))
    fields, recurrence = require_recurrence(principal(), timing, now)
    wanted = _wanted(body, fields, connector, paused_until, now)
    return _present(preview_schedule(wanted, recurrence, now, body.count), wanted)


def _stored(connector: uuid.UUID | None) -> tuple[Row | None, datetime | None, datetime]:
    """Return the connector if one is named, the pause of its schedule, and the database's clock."""
    row = paused_until = None
    with single_statements(wiring().engine) as connection:
        if connector is not None:
            row = find_connector(connection, principal().workspace_id, connector)
            if row is None:
                raise NotFoundError("There is no such connector.", code="foreign_key_integrity")
            paused_until = find_pause(connection, row["id"])
        return row, paused_until, as_of(connection, None)


def _wanted(
    body: PreviewBody,
    fields: RecurrenceFields,
    connector: Row | None,
    paused_until: datetime | None,
    now: datetime,
) -> Schedule:
    """Return the schedule as it would be right after it is saved."""
    return Schedule(
        id=_NO_ROW,
        workspace_id=principal().workspace_id,
        connector_id=_NO_ROW if connector is None else connector["id"],
        connector_public_id=_NO_CONNECTOR if connector is None else connector["public_id"],
        connector_is_usable=connector is None or connector["status"] == "connected",
        recurrence=fields,
        missed_run_policy=MissedRunPolicy(body.missed_run_policy),
        catch_up_window=timedelta(0),
        spread=timedelta(seconds=0 if connector is None else body.spread_seconds),
        blackout_policy=BlackoutPolicy(body.blackout_policy),
        blackouts=caller_windows(),
        paused_until=paused_until,
        planned_through=now,
    )


def _present(preview: SchedulePreview, schedule: Schedule) -> dict[str, Any]:
    return {
        "description": preview.description,
        "timezone": schedule.recurrence.timezone,
        "items": [_present_item(item) for item in preview.items],
    }


def _present_item(item: PreviewItem) -> dict[str, Any]:
    return {
        "period_at": instant(item.period_at),
        "period_local": item.period_local.isoformat(),
        "starts_at": instant(item.starts_at),
        "starts_local": None if item.starts_local is None else item.starts_local.isoformat(),
        "fate": item.fate,
        "reason": item.reason,
        "notes": [{"kind": note.kind, "text": note.text} for note in item.clock_notes],
    }
