"""Which runs of a workspace somebody asks for."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.run import RunStatus, TriggerType


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What the runs have in common; None leaves it open. All instants are aware and in UTC."""

    status: RunStatus | None = None
    reason: str | None = None
    trigger: TriggerType | None = None
    connector: UUID | None = None
    schedule: UUID | None = None
    since: datetime | None = None
    """The first instant at which they were written."""
    until: datetime | None = None
    """The instant before which they were written."""
