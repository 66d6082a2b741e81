"""Shapes of schedules, their previews, and of what keeps them from running."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.domain.outlook import OutlookKind
from shared.domain.preview import ClockNoteKind
from shared.domain.schedule import Frequency
from shared.domain.schedule_preview import Fate
from shared.web.shapes.base import WHOLE, NextCursor, Version


@with_config(WHOLE)
class DueConnector(TypedDict):
    """A connector that is due."""

    connector_id: UUID
    connector_name: str
    connector_type: str
    schedule_id: UUID
    period_at: datetime
    starts_at: datetime


@with_config(WHOLE)
class DueConnectors(TypedDict):
    """A page of what is due in a minute."""

    at: datetime
    items: list[DueConnector]
    next_cursor: NextCursor


@with_config(WHOLE)
class Outlook(TypedDict):
    """What happens next, in a sentence."""

    kind: OutlookKind
    at: datetime | None
    text: str


@with_config(WHOLE)
class Schedule(TypedDict):
    """When a connector is synced."""

    id: UUID
    connector_id: UUID
    connector_name: str
    name: str
    description: str | None
    frequency: Frequency
    preferred_time: str | None
    preferred_day_of_week: str | None
    preferred_day_of_month: int | None
    cron_expression: str | None
    timezone: str
    is_enabled: bool
    recurrence_description: str | None
    next_scheduled_at: datetime | None
    outlook: Outlook
    is_paused: bool
    paused_until: datetime | None
    pause_note: str | None
    overlap_policy: Literal["skip", "queue_one"]
    missed_run_policy: Literal["run_once", "run_all", "skip"]
    catch_up_window_seconds: int
    spread_seconds: int
    max_attempts: int
    blackout_policy: Literal["skip", "move"]
    plan_error: str | None
    last_run_at: datetime | None
    last_run_status: Literal["never_run", "running", "success", "partial", "failed"]
    last_run_error: str | None
    last_run_records_synced: int | None
    change_reported_at: Annotated[
        datetime | None,
        Field(description="When its source last reported a change that no run has read yet."),
    ]
    version: Version
    created_at: datetime
    updated_at: datetime


@with_config(WHOLE)
class Schedules(TypedDict):
    """A page of schedules."""

    items: list[Schedule]
    next_cursor: NextCursor


@with_config(WHOLE)
class ClockNote(TypedDict):
    """What a clock change does to a period."""

    kind: ClockNoteKind
    text: str


@with_config(WHOLE)
class PreviewPeriod(TypedDict):
    """A coming period."""

    period_at: datetime
    period_local: datetime
    starts_at: datetime | None
    starts_local: datetime | None
    fate: Fate
    reason: str | None
    notes: list[ClockNote]


@with_config(WHOLE)
class Preview(TypedDict):
    """The coming periods of a schedule."""

    description: str
    timezone: str
    items: list[PreviewPeriod]


WeeklyHours = TypedDict("WeeklyHours", {"days": list[str], "from": str, "to": str})


@with_config(WHOLE)
class DatedDays(TypedDict):
    """Whole days, both included."""

    first: date
    last: date


@with_config(WHOLE)
class BlackoutWindow(TypedDict):
    """A time in which no sync of the workspace may start."""

    id: UUID
    name: str
    timezone: str
    weekly: WeeklyHours | None
    dated: DatedDays | None
    active_until: datetime | None
    created_at: datetime
    updated_at: datetime


@with_config(WHOLE)
class BlackoutWindows(TypedDict):
    """All blackout windows of the workspace."""

    items: list[BlackoutWindow]
    next_cursor: None
