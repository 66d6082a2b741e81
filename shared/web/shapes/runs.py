"""Shapes of runs."""

from datetime import datetime
from uuid import UUID

from pydantic import with_config
from typing_extensions import TypedDict

from shared.domain.attempts import AttemptEnd
from shared.domain.run import RunStatus, TriggerType
from shared.web.shapes.base import WHOLE, Json, NextCursor


@with_config(WHOLE)
class Run(TypedDict):
    """What became of one period, or of one request."""

    id: UUID
    connector_id: UUID
    schedule_id: UUID | None
    retry_of: UUID | None
    status: RunStatus
    reason: str | None
    trigger_type: TriggerType
    cloud_task_id: str | None
    idempotency_key: str
    period_at: datetime | None
    period_count: int
    last_period_at: datetime | None
    not_before_at: datetime
    attempt: int
    slices: int
    max_attempts: int
    next_attempt_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    error: str | None
    records_processed: int | None
    records_created: int | None
    records_updated: int | None
    records_failed: int | None
    metadata: Json
    created_at: datetime
    updated_at: datetime


@with_config(WHOLE)
class RunEvent(TypedDict):
    """One thing that happened to a run."""

    at: datetime
    kind: str
    detail: Json


@with_config(WHOLE)
class RunAttempt(TypedDict):
    """One try of a run by a worker; `end` is null while it is in progress."""

    number: int | None
    slice: int
    started_at: datetime
    ended_at: datetime | None
    end: AttemptEnd | None
    reason: str | None
    error: str | None
    records_processed: int | None


@with_config(WHOLE)
class RunWithTimeline(Run):
    """A run, its attempts, and everything that happened to it."""

    attempts: list[RunAttempt]
    timeline: list[RunEvent]


@with_config(WHOLE)
class Runs(TypedDict):
    """A page of runs."""

    items: list[Run]
    next_cursor: NextCursor
