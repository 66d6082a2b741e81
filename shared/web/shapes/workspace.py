"""Shapes of a workspace, its health and that of the api."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.web.shapes.base import WHOLE, Version


@with_config(WHOLE)
class Limit(TypedDict):
    """Between what a setting may be."""

    least: int
    most: int


RetentionDays = Annotated[
    int, Field(description="How far back exports of runs go; nothing is deleted by it.")
]


@with_config(WHOLE)
class WorkspaceLimits(TypedDict):
    """The limits of the settings that are numbers."""

    max_concurrent_syncs: Limit
    minimum_interval_seconds: Limit
    manual_triggers_per_minute: Limit
    retention_days: Limit


@with_config(WHOLE)
class Workspace(TypedDict):
    """A workspace and its settings."""

    id: UUID
    slug: str
    name: str
    timezone: str
    max_concurrent_syncs: int
    minimum_interval_seconds: int
    manual_triggers_per_minute: int
    retention_days: RetentionDays
    limits: WorkspaceLimits
    version: Version
    created_at: datetime
    updated_at: datetime


@with_config(WHOLE)
class LastHour(TypedDict):
    """How punctual the runs of the last hour were, that started."""

    started: int
    median_drift_ms: int | None
    max_drift_ms: int | None


@with_config(WHOLE)
class UnhealthyConnector(TypedDict):
    """A connector that cannot be synced as it is."""

    connector_id: UUID
    connector_name: str
    reason: str | None


@with_config(WHOLE)
class UnhealthyConnectors(TypedDict):
    """How many there are, and some of them."""

    count: int
    some: list[UnhealthyConnector]


@with_config(WHOLE)
class WorkspaceHealthAnswer(TypedDict):
    """How a workspace is."""

    as_of: datetime
    last_tick_at: datetime | None
    backlog: Annotated[int, Field(description="Runs whose start has passed and that wait.")]
    oldest_overdue_at: datetime | None
    in_progress: int
    stuck: Annotated[int, Field(description="Runs whose worker or task does not answer.")]
    unread_changes: Annotated[
        int,
        Field(
            description="Connectors with a realtime schedule whose source reported a change that no"
            " run has read yet."
        ),
    ]
    oldest_unread_at: Annotated[
        datetime | None,
        Field(
            description="Since when at most the connector that waits longest has a report unread."
        ),
    ]
    last_hour: LastHour
    unhealthy_connectors: UnhealthyConnectors
    counted_up_to: Annotated[int, Field(description="A count that is this says: or more.")]


@with_config(WHOLE)
class Readiness(TypedDict):
    """Whether requests can be served."""

    status: Literal["ok", "database_unavailable", "schema_outdated", "deployment"]
    last_tick_age_seconds: int | None
