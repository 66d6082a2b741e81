"""Shapes of a connector's health."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.domain.fault import Fault
from shared.domain.health import Health
from shared.domain.run import RunStatus
from shared.web.shapes.base import WHOLE


@with_config(WHOLE)
class LastRun(TypedDict):
    """How the last run ended that read from the source."""

    run_id: UUID
    status: RunStatus
    reason: str | None
    error: str | None
    started_at: datetime
    completed_at: datetime


@with_config(WHOLE)
class FailedStream(TypedDict):
    """A stream that the newest run of it did not read to its end."""

    stream: str
    fault: Fault | None
    error: str | None
    last_synced_at: datetime | None


@with_config(WHOLE)
class ConnectorHealth(TypedDict):
    """What is known of a connector's health, and from what."""

    connector_id: UUID
    status: Literal["pending_authorization", "connected", "needs_reauthorization", "disabled"]
    health: Annotated[
        Health, Field(description="What its last run or look found; unknown after a change.")
    ]
    reason: Annotated[str | None, Field(description="Why it is unhealthy, and what to do.")]
    since: Annotated[datetime, Field(description="Since when its health is what it is.")]
    last_look_at: Annotated[
        datetime | None,
        Field(description="When its source was last looked at, other than by runs."),
    ]
    next_look_at: Annotated[
        datetime | None,
        Field(description="When it is looked at, unless a run tells of it before."),
    ]
    authorized_at: Annotated[
        datetime | None, Field(description="When a person authorized it; null if nobody did.")
    ]
    access_ends_at: Annotated[
        datetime | None, Field(description="When the access token ends, which is renewed before.")
    ]
    last_run: LastRun | None
    last_synced_at: Annotated[
        datetime | None, Field(description="When a stream of it was last read to its end.")
    ]
    failed_streams: Annotated[list[FailedStream], Field(description="Up to 20, by name.")]
    failed_streams_are_more: bool
