"""Which schedules are due in one minute: the planner's own answer, asked for that minute alone."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.domain.plan import PlannedPeriod, plan
from shared.domain.recurrence import Recurrence
from shared.domain.schedule import Schedule

_MICROSECOND = timedelta(microseconds=1)
_ALMOST_A_MINUTE = timedelta(minutes=1) - _MICROSECOND


@dataclass(frozen=True, slots=True)
class DueConnector:
    """A connector whose schedule has a period to run; every id is a public one but `key`."""

    key: int
    """The internal key of its schedule, by which the answers are in order; it stays inside."""
    workspace_slug: str
    workspace_public_id: UUID
    connector_id: UUID
    connector_name: str
    connector_type: str
    schedule_id: UUID
    period_at: datetime
    """The nominal instant, in the minute that was asked about."""
    starts_at: datetime
    """When its run starts: the period, or later by spread and blackout windows."""


def minute_of(instant: datetime) -> datetime:
    """Return the start of an instant's minute, in UTC; raise `ValueError` if it is naive."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone: pass an aware datetime.")
    return instant.astimezone(UTC).replace(second=0, microsecond=0)


def has_period_in(recurrence: Recurrence, minute: datetime) -> bool:
    """Tell whether a recurrence names an instant within the minute that begins at `minute`.

    Cheap, and true wherever `due_period` finds something.
    """
    first = recurrence.next_after(minute - _MICROSECOND)
    return first is not None and first <= minute + _ALMOST_A_MINUTE


def due_period(
    schedule: Schedule, recurrence: Recurrence, minute: datetime
) -> PlannedPeriod | None:
    """Return the period that a schedule runs of the minute that begins at `minute`, or None.

    It is what a tick at that minute would plan if it had planned everything before: a paused
    period or one that a blackout window skips is not due, one that a window moves is. The
    schedule's own mark has no say, so that past and future minutes are answered alike.
    """
    asked = replace(schedule, planned_through=minute - _MICROSECOND)
    decided = plan(asked, recurrence, minute, _ALMOST_A_MINUTE)
    return next((period for period in decided.periods if period.reason is None), None)
