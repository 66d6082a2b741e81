"""Shapes of what will run."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.domain.run import TriggerType
from shared.domain.schedule_preview import Fate
from shared.web.shapes.base import WHOLE, NextCursor


@with_config(WHOLE)
class WaitingRun(TypedDict):
    """A run that is written and waits for its instant, its place or its next attempt."""

    run_id: UUID
    schedule_id: UUID | None
    schedule_name: str | None
    connector_id: UUID
    connector_name: str
    trigger_type: TriggerType
    period_at: datetime | None
    starts_at: datetime


@with_config(WHOLE)
class UpcomingPeriod(TypedDict):
    """A coming period of a schedule, or the first of several."""

    schedule_id: UUID
    schedule_name: str
    connector_id: UUID
    connector_name: str
    period_at: datetime
    starts_at: datetime | None
    fate: Fate
    reason: str | None
    count: Annotated[int, Field(description="How many periods up to `until` it stands for.")]
    count_is_capped: Annotated[bool, Field(description="There are more than `count`.")]
    last_period_at: datetime | None


@with_config(WHOLE)
class Upcoming(TypedDict):
    """What will run up to an instant."""

    as_of: datetime
    until: datetime
    waiting: list[WaitingRun]
    waiting_is_more: bool
    items: list[UpcomingPeriod]
    next_cursor: NextCursor
