"""Plan schedules read from rows; one that cannot be planned is set aside and stops no other."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shared.domain.blackout import BlackoutWindow
from shared.domain.plan import MAX_SINGLE_SKIPS, Plan, plan
from shared.domain.schedule import Schedule, build_recurrence
from shared.errors import RecurrenceError
from shared.logs import log_event
from shared.store.blackouts import windows_of
from shared.store.rows import Row
from shared.store.schedules import to_schedule

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What planning a page of schedules gave: `set_aside` holds each one's key and the reason."""

    planned: list[tuple[Schedule, Plan]] = field(default_factory=list)
    set_aside: list[tuple[int, str]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many schedules were decided."""
        return len(self.planned) + len(self.set_aside)

    @property
    def rows(self) -> int:
        """How many rows the log will get."""
        return sum(len(decided.periods) for _, decided in self.planned)

    @property
    def is_whole(self) -> bool:
        """Tell whether no schedule has periods left for another pass."""
        return all(decided.is_whole for _, decided in self.planned)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one page decides: rows in all, and single rows for skipped periods."""

    rows: int = 10_000
    """A transaction holds the locks of its schedules, so that it stops at about so many rows."""
    single_skips: int = 20_000
    """Beyond, the skipped periods of a schedule share rows: after an outage there are millions."""


def decide_all(
    connection: Connection,
    rows: Sequence[Row],
    now: datetime,
    look_ahead: timedelta,
    bounds: Bounds | None = None,
) -> Decisions:
    """Plan locked schedules in order; the last ones are left out when `bounds` are reached."""
    bounds = bounds or Bounds()
    blackouts = windows_of(connection, sorted({row["workspace_id"] for row in rows}))
    decisions = Decisions()
    written = skips = 0
    for row in rows:
        if written >= bounds.rows:
            break
        windows = blackouts.get(row["workspace_id"], ())
        single_skips = MAX_SINGLE_SKIPS if skips < bounds.single_skips else 0
        try:
            schedule, decided = _decide(row, windows, now, look_ahead, single_skips)
        except (RecurrenceError, ValueError) as error:
            # One customer's unusable row must not stop the tick for everybody.
            decisions.set_aside.append((row["id"], str(error)))
            _warn(row, error)
            continue
        decisions.planned.append((schedule, decided))
        written += len(decided.periods)
        skips += sum(period.reason is not None for period in decided.periods)
    return decisions


def _decide(
    row: Row,
    windows: tuple[BlackoutWindow, ...],
    now: datetime,
    look_ahead: timedelta,
    single_skips: int,
) -> tuple[Schedule, Plan]:
    schedule = to_schedule(row, windows)
    recurrence = build_recurrence(schedule.recurrence)
    if recurrence is None:
        raise ValueError(f"a {schedule.recurrence.frequency} schedule has no periods to plan")
    return schedule, plan(schedule, recurrence, now, look_ahead, single_skips=single_skips)


def _warn(row: Row, error: Exception) -> None:
    log_event(
        _log,
        logging.WARNING,
        "schedule_set_aside",
        "A schedule cannot be planned and was set aside until it is edited",
        schedule_id=row["public_id"],
        reason=str(error),
    )
