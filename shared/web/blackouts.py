"""/api/v2/workspace/blackout-windows: times in which no sync of the workspace may start."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import url_for

from shared.clock import utc_now
from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.domain.blackout import blackout_at, is_readable
from shared.domain.blackout_rules import BlackoutCode, WantedDays, WantedHours, WantedWindow
from shared.errors import NotFoundError
from shared.flow.audit import window_fields
from shared.flow.blackouts import create_blackout_window, delete_blackout_window
from shared.store.blackouts import find_window, list_windows, to_window
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.bodies import NewBlackoutWindowBody
from shared.web.etags import premise
from shared.web.examples import NEW_CHRISTMAS, NEW_WEEKEND
from shared.web.operations import Answers, Link, Takes
from shared.web.planner import planner
from shared.web.present import instant
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.shapes.schedules import BlackoutWindow, BlackoutWindows

routes = Routes(
    "blackouts",
    "/api/v2/workspace/blackout-windows",
    tag="Workspace",
    changes=ObjectKind.BLACKOUT_WINDOW,
)

_ONLY_VERSION = 1
_ITS = {"window": "/id"}


def _version(_window: Mapping[Any, Any]) -> object:
    return _ONLY_VERSION  # a window is made and deleted, and never changed


@routes.on(
    "POST",
    "",
    "create_blackout_window",
    Role.ADMIN,
    Answers(
        HTTPStatus.CREATED,
        BlackoutWindow,
        {HTTPStatus.CONFLICT: ("name_taken", BlackoutCode.TOO_MANY)},
        version=_version,
        location=True,
        links=(Link("read_blackout_window", _ITS), Link("delete_blackout_window", _ITS)),
    ),
    Takes(
        NewBlackoutWindowBody,
        examples={"weekly hours": NEW_WEEKEND, "whole days": NEW_CHRISTMAS},
        key=True,
    ),
)
def create(body: NewBlackoutWindowBody) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create a blackout window; what it covers of the runs planned ahead does not start."""
    wanted = WantedWindow(
        name=body.name,
        timezone=body.timezone,
        weekly=None if body.weekly is None else WantedHours(**body.weekly.model_dump()),
        dated=None if body.dated is None else WantedDays(**body.dated.model_dump()),
    )
    row = create_blackout_window(planner(), principal(), wanted, public_id=resource_id())
    location = url_for("blackouts.read", window=row["public_id"])
    return present_blackout(row, utc_now()), 201, {"Location": location}


@routes.on(
    "GET",
    "",
    "list_blackout_windows",
    Role.VIEWER,
    Answers(HTTPStatus.OK, BlackoutWindows),
)
def browse() -> dict[str, Any]:
    """List the workspace's blackout windows, oldest first: all of them, for there are few."""
    with single_statements(wiring().engine) as connection:
        rows = list_windows(connection, principal().workspace_id)
    now = utc_now()
    return {"items": [present_blackout(row, now) for row in rows], "next_cursor": None}


@routes.on(
    "GET",
    "/<uuid:window>",
    "read_blackout_window",
    Role.VIEWER,
    Answers(HTTPStatus.OK, BlackoutWindow, version=_version),
)
def read(window: uuid.UUID) -> dict[str, Any]:
    """Read one blackout window."""
    with single_statements(wiring().engine) as connection:
        row = find_window(connection, principal().workspace_id, window)
    if row is None:
        raise NotFoundError("There is no such blackout window.")
    return present_blackout(row, utc_now())


@routes.on(
    "DELETE",
    "/<uuid:window>",
    "delete_blackout_window",
    Role.ADMIN,
    Answers(HTTPStatus.NO_CONTENT),
    Takes(premise=True),
)
def delete(window: uuid.UUID) -> tuple[str, int]:
    """Delete a blackout window; what it held back may start as if it had never been."""
    delete_blackout_window(planner(), principal(), window, premise=premise(_version))
    return "", 204


def present_blackout(row: Row, now: datetime) -> dict[str, Any]:
    """Return a window, and until when it holds if it holds now."""
    window = to_window(row)
    blackout = blackout_at([window], now) if is_readable(window) else None
    return {
        "id": str(row["public_id"]),
        **window_fields(row),
        "active_until": None if blackout is None else instant(blackout.ends_at),
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }
