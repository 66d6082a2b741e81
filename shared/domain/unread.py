"""Changes that a source reported and no run has read: when a run is written for one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from shared.domain.run import Reason

LOOK_AFTER = timedelta(minutes=1)
"""How long after a run should have started one looks whether it read what was reported."""
MOST_RUNS = 7
"""That are written for one change; then the next report, or a person, starts another one."""

_FIRST_WAIT = timedelta(minutes=15)
_SELDOM = timedelta(hours=1)
"""How often one looks at what waits for a person. Whoever lets it run again is heard at once."""
_FOR_A_PERSON = frozenset(
    {
        Reason.AUTHORIZATION,
        Reason.CONFIGURATION,
        Reason.CURSOR_STUCK,
        Reason.CURSOR_BACKWARDS,
        Reason.TOO_MANY_SLICES,
    }
)


class Obstacle(StrEnum):
    """What a reported change waits for the end of.

    - AUTHORIZATION: nobody has authorized the connector, or it lost its authorization.
    - CONNECTOR_DISABLED, SCHEDULE_DISABLED, PAUSED: somebody set it so.
    - BLACKOUT: a window of the workspace that has no end.
    """

    AUTHORIZATION = "authorization"
    CONNECTOR_DISABLED = "connector_disabled"
    SCHEDULE_DISABLED = "schedule_disabled"
    PAUSED = "paused"
    BLACKOUT = "blackout"


@dataclass(frozen=True, slots=True)
class Unread:
    """A reported change that no run has read, and what is known of its connector."""

    connector: UUID
    reported_at: datetime
    """When the newest report came."""
    runs: int
    """Written for it so far, since somebody let the connector run again."""
    is_heard: bool
    """The connector has a realtime schedule, and its workspace is there."""
    obstacle: Obstacle | None
    paused_until: datetime | None
    read_from: datetime | None
    """When the run starts, or did, that will read it; None if there is none."""
    last_reason: str | None
    last_ended_at: datetime | None
    """Of the newest run of the connector; None if it has not ended."""


def obstacle_of(
    connector_status: str, paused_until: datetime | None, now: datetime, *, is_enabled: bool
) -> Obstacle | None:
    """Return what keeps a realtime schedule from running at `now`."""
    if connector_status == "disabled":
        return Obstacle.CONNECTOR_DISABLED
    if connector_status != "connected":
        return Obstacle.AUTHORIZATION
    if not is_enabled:
        return Obstacle.SCHEDULE_DISABLED
    if paused_until is not None and now < paused_until:
        return Obstacle.PAUSED
    return None


def decide_look(unread: Unread, now: datetime) -> datetime | None:
    """Return when to look again, or None if a run has to be written now.

    A run that ended without having read it is followed by another one, after a wait that doubles,
    until there were `MOST_RUNS`. Where only a person can help, it waits for that person.
    """
    if unread.obstacle is not None or not unread.is_heard:
        seldom = now + _SELDOM
        return min(unread.paused_until or seldom, seldom) if _is_paused(unread) else seldom
    if unread.read_from is not None:
        return max(unread.read_from, now) + LOOK_AFTER
    if unread.runs == 0 or unread.last_ended_at is None:
        return None
    if unread.runs >= MOST_RUNS or unread.last_reason in _FOR_A_PERSON:
        return now + _SELDOM
    follows_at = unread.last_ended_at + _wait(unread)
    return follows_at if follows_at > now else None


def _is_paused(unread: Unread) -> bool:
    return unread.is_heard and unread.obstacle is Obstacle.PAUSED


def _wait(unread: Unread) -> timedelta:
    """Return the wait after a run: from a half of its step to the whole, by hash."""
    identity = f"{unread.connector}:{unread.reported_at.isoformat()}:{unread.runs}"
    digest = int.from_bytes(sha256(identity.encode()).digest()[:8], "big")
    return _FIRST_WAIT * 2 ** (unread.runs - 1) * (0.5 + digest / 2**65)
