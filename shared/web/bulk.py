"""/api/v2/sync-schedules/bulk: pause, resume or trigger many schedules at once."""

import math
import uuid
from http import HTTPStatus
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.domain.bulk import MAX_BULK, BulkAction, BulkItem, BulkResult
from shared.domain.instants import parse_instant
from shared.domain.schedule import Frequency
from shared.errors import BusyError, SynclineError, TransientError
from shared.flow.bulk import Bulk, act_on_schedules, schedules_of
from shared.store.schedule_filters import ScheduleFilter
from shared.web.auth import principal
from shared.web.bodies import Body, Note
from shared.web.operations import Answers, Takes
from shared.web.planner import planner
from shared.web.repeats import leave_open, resource_id
from shared.web.routes import Routes
from shared.web.shapes.bulk import BulkAnswer

routes = Routes("bulk", "/api/v2/sync-schedules/bulk", tag="Schedules", changes=ObjectKind.SCHEDULE)


class ScheduleFilterBody(Body):
    """What the schedules have in common; what is left out is open."""

    frequency: Frequency | None = None
    connector_type: Annotated[str, StringConstraints(max_length=63)] | None = None
    is_enabled: bool | None = None
    is_paused: bool | None = None


class BulkBody(Body):
    """What to do, and to which schedules: those of `ids`, or those of a `filter`."""

    action: BulkAction
    ids: Annotated[tuple[uuid.UUID, ...], Field(min_length=1, max_length=MAX_BULK)] | None = None
    filter: ScheduleFilterBody | None = None
    until: Annotated[str, StringConstraints(max_length=40)] | None = None
    note: Note | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _check_which(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("say in ids, or else in filter, which schedules are meant")
        is_pause = self.action is BulkAction.PAUSE
        if not is_pause and (self.until is not None or self.note is not None):
            raise ValueError("until and note are those of a pause: leave them out")
        return self


@routes.on(
    "POST",
    "",
    "act_on_schedules",
    Role.EDITOR,
    Answers(HTTPStatus.OK, BulkAnswer),
    Takes(
        BulkBody,
        examples={
            "what would a pause do": {
                "action": "pause",
                "filter": {"frequency": "hourly"},
                "dry_run": True,
            }
        },
        key=True,
    ),
)
def act(body: BulkBody) -> dict[str, Any]:
    """Pause, resume or trigger up to 500 schedules; each is answered by itself.

    With `dry_run` nothing changes, and the answer says what would become of each. What is
    `not_tried` when the time is over, or the database gone, is as it was. While there is any of
    that, or the database or the rate was in the way of one, the same request under its
    Idempotency-Key goes on with it.
    """
    bulk = Bulk(
        action=body.action,
        until=None if body.until is None else parse_instant(body.until, "until"),
        note=body.note,
        is_dry_run=body.dry_run,
        request=resource_id(),
    )
    schedules = body.ids
    if schedules is None:
        wanted = ScheduleFilter(**(body.filter or ScheduleFilterBody()).model_dump())
        schedules = schedules_of(planner(), principal(), wanted)
    items = act_on_schedules(planner(), principal(), bulk, schedules)
    if any(map(_is_open, items)):
        leave_open()
    return {
        "action": bulk.action,
        "dry_run": bulk.is_dry_run,
        "counts": {result: sum(item.result is result for item in items) for result in BulkResult},
        "items": [_present(item) for item in items],
    }


def _is_open(item: BulkItem) -> bool:
    """Tell whether what was in the way of a schedule passes, so that a repeat may act on it."""
    return item.result is BulkResult.NOT_TRIED or isinstance(item.error, TransientError | BusyError)


def _present(item: BulkItem) -> dict[str, Any]:
    return {
        "schedule_id": str(item.schedule),
        "result": item.result,
        "run_id": None if item.run is None else str(item.run),
        "problem": None if item.error is None else _problem(item.error),
    }


def _problem(error: SynclineError) -> dict[str, Any]:
    wait = error.retry_after if isinstance(error, BusyError) else None
    return {
        "code": error.code,
        "detail": str(error),
        "retry_after_seconds": None if wait is None else math.ceil(wait.total_seconds()),
    }
