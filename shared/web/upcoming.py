"""/api/v2/upcoming: what will run in the next hours, across schedules."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from shared.domain.access import Role
from shared.domain.upcoming import Place, UpcomingPeriod
from shared.flow.upcoming import MAX_HOURS, UpcomingFrom, upcoming
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.cursors import (
    decode_cursor,
    encode_cursor,
    read_cursor,
    to_instant,
    to_number,
)
from shared.web.operations import Answers, Takes
from shared.web.present import instant
from shared.web.queries import Limit, Query
from shared.web.routes import Routes
from shared.web.shapes.upcoming import Upcoming

routes = Routes("upcoming", "/api/v2/upcoming", tag="Schedules")


class UpcomingQuery(Query):
    """How far to look ahead, and which page."""

    hours: Annotated[
        int, Field(ge=1, le=MAX_HOURS, description="How far to look ahead from now.")
    ] = 24
    limit: Limit = 50
    cursor: Annotated[str, StringConstraints(max_length=64)] | None = None


@routes.on(
    "GET",
    "",
    "list_upcoming",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Upcoming),
    Takes(query=UpcomingQuery),
)
def browse(query: UpcomingQuery) -> dict[str, Any]:
    """List what will run in the next hours, across schedules, by its period.

    `waiting` has the runs that are written already, on the first page. `items` has the periods to
    come. A schedule with more than six of them is there once, where its first is, with their
    `count`; and so is every schedule where more than 200 have a period within these hours.
    """
    page = upcoming(
        wiring().engine,
        principal(),
        horizon=timedelta(hours=query.hours),
        limit=query.limit,
        after=read_cursor(query.cursor, _decode),
    )
    place = page.next_place
    return {
        "as_of": instant(page.as_of),
        "until": instant(page.until),
        "waiting": [_present_run(row) for row in page.waiting],
        "waiting_is_more": page.waiting_is_more,
        "items": [_present(one, page.schedules[one.schedule_key]) for one in page.periods],
        "next_cursor": None if place is None else _encode(UpcomingFrom(place, page.until)),
    }


def _present(period: UpcomingPeriod, schedule: Row) -> dict[str, Any]:
    return {
        "schedule_id": str(schedule["public_id"]),
        "schedule_name": schedule["name"],
        "connector_id": str(schedule["connector_public_id"]),
        "connector_name": schedule["connector_name"],
        "period_at": instant(period.period_at),
        "starts_at": instant(period.starts_at),
        "fate": "run" if period.reason is None else "skipped",
        "reason": period.reason,
        "count": period.count,
        "count_is_capped": not period.is_counted_whole,
        "last_period_at": instant(period.last_period_at),
    }


def _present_run(row: Row) -> dict[str, Any]:
    schedule = row["schedule_public_id"]
    return {
        "run_id": str(row["public_id"]),
        "schedule_id": None if schedule is None else str(schedule),
        "schedule_name": row["schedule_name"],
        "connector_id": str(row["connector_public_id"]),
        "connector_name": row["connector_name"],
        "trigger_type": row["trigger_type"],
        "period_at": instant(row["period_at"]),
        "starts_at": instant(row["not_before_at"]),
    }


def _encode(start: UpcomingFrom) -> str:
    place = start.place
    return encode_cursor(to_number(place.period_at), place.schedule_key, to_number(start.until))


def _decode(cursor: str) -> UpcomingFrom:
    period_at, key, until = decode_cursor(cursor, 3)
    return UpcomingFrom(Place(to_instant(period_at), key), to_instant(until))
