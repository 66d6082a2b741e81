"""Changes that a source reported and no run has read: when a run is written for one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from shared.domain.run import Reason

LOOK_AFTER = timedelta(minutes=1)
"""How long after a run should have started one looks whether it read what was reported."""
MOST_RUNS = 7
"""That are written for one change; then the next report, or a person, starts another one."""
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""When one looks at what waits for a further report, or for triggers on what somebody changes."""

_FIRST_WAIT = timedelta(minutes=15)
_SELDOM = timedelta(hours=1)
"""How often one looks at what may not run, or waits for a start far off. Whoever lets it run again
is heard at once."""
_LONGEST_WAIT_AFTER = MOST_RUNS - 1
"""Runs after which the waits between further ones grow no more."""
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
    - BACK_OFF: runs for it failed, and the next one waits as long as they have earned.
    """

    AUTHORIZATION = "authorization"
    CONNECTOR_DISABLED = "connector_disabled"
    SCHEDULE_DISABLED = "schedule_disabled"
    PAUSED = "paused"
    BLACKOUT = "blackout"
    BACK_OFF = "back_off"


@dataclass(frozen=True, slots=True)
class Unread:
    """A reported change that no run has read, and what is known of its connector."""

    connector: UUID
    runs: int
    """Written for it so far, since a run succeeded or somebody let the connector run again."""
    is_heard: bool
    """The connector has a realtime schedule, and its workspace is there."""
    obstacle: Obstacle | None
    paused_until: datetime | None
    read_from: datetime | None
    """When the run starts, or did, that will read it; None if there is none."""
    is_running: bool
    """A run of the connector is in progress, be it one that does not read it."""
    last_ended_at: datetime | None
    """Of the newest run of the connector that has ended; None if there is none."""
    last_shortfalls: frozenset[str]
    """Why that run, or streams of it, did not read all, by their codes; empty if it did."""
    is_news: bool
    """It was reported after that run had begun."""

    @property
    def next_run(self) -> int:
        """Return the number of the next run for it: they are counted anew where one read all."""
        return self.runs + 1 if self.last_shortfalls else 1


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
    until there were `MOST_RUNS`. Where only a person can help, it waits for that person. What was
    reported since is given another run even then, after the wait: the source may be mended.
    """
    if not unread.is_heard:
        return NEVER
    if unread.obstacle is not None:
        return _while_it_may_not_run(unread, now)
    if unread.read_from is not None:
        return look_after_start(unread.read_from, now)
    if unread.runs == 0 or unread.last_ended_at is None or not unread.last_shortfalls:
        return None
    follows_at = unread.last_ended_at + _wait(unread, unread.last_ended_at)
    return _after_a_shortfall(unread, follows_at, now)


def look_after_start(starts_at: datetime, now: datetime) -> datetime:
    """Return when to look whether a run has read it: soon after its start.

    At least once an hour, as somebody may cancel one that waits long.
    """
    return min(max(starts_at, now), now + _SELDOM) + LOOK_AFTER


def _while_it_may_not_run(unread: Unread, now: datetime) -> datetime:
    seldom = now + _SELDOM
    is_paused = unread.obstacle is Obstacle.PAUSED
    return min(unread.paused_until or seldom, seldom) if is_paused else seldom


def _after_a_shortfall(unread: Unread, follows_at: datetime, now: datetime) -> datetime | None:
    if unread.is_running:
        # It tells whether the source can be read again.
        return now + LOOK_AFTER
    if not unread.is_news and unread.runs >= MOST_RUNS:
        return NEVER
    if not unread.is_news and unread.last_shortfalls <= _FOR_A_PERSON:
        return NEVER
    return follows_at if follows_at > now else None


def has_failed_for_good(unread: Unread, look_at: datetime | None) -> bool:
    """Tell whether `MOST_RUNS` have not read it, where nobody looks or another run is written.

    `look_at` is what was decided. It is true once for each run that fails from then on.
    """
    if unread.runs < MOST_RUNS or not unread.last_shortfalls or not unread.is_heard:
        return False
    return look_at is None or look_at == NEVER


def _wait(unread: Unread, last_ended_at: datetime) -> timedelta:
    """Return the wait after a run: from a half of its step to the whole, by hash.

    Further reports do not change it: one of many would find a short one.
    """
    identity = f"{unread.connector}:{last_ended_at.isoformat()}:{unread.runs}"
    digest = int.from_bytes(sha256(identity.encode()).digest()[:8], "big")
    step = min(unread.runs, _LONGEST_WAIT_AFTER) - 1
    return _FIRST_WAIT * 2**step * (0.5 + digest / 2**65)
