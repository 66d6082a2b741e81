"""The coming periods of a schedule and the fate of each, as planning on time would decide them."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.domain.local_time import load_zone
from shared.domain.outlook import UNPLANNED
from shared.domain.plan import plan
from shared.domain.preview import ClockNote
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason
from shared.domain.schedule import Schedule


class Fate(StrEnum):
    """What becomes of a period."""

    RUN = "run"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class PreviewItem:
    """One coming period; the local instants are aware and in the schedule's zone."""

    period_at: datetime
    period_local: datetime
    fate: Fate
    reason: Reason | None
    """Why it is skipped."""
    starts_at: datetime | None
    """With spread, and moved by blackout windows; None when it is skipped."""
    starts_local: datetime | None
    clock_notes: tuple[ClockNote, ...]


@dataclass(frozen=True, slots=True)
class SchedulePreview:
    """A recurrence in words, and its coming periods in order."""

    description: str
    items: tuple[PreviewItem, ...]


def preview_schedule(
    schedule: Schedule, recurrence: Recurrence | None, now: datetime, count: int
) -> SchedulePreview:
    """Return the next `count` periods after `now`, 1 to 100; raise `ValueError` for others.

    A manual or realtime schedule, whose recurrence is None, has none. Whether the schedule is
    enabled has no say: a preview shows what enabling it would bring.
    """
    if recurrence is None:
        return SchedulePreview(UNPLANNED[schedule.recurrence.frequency].text, ())
    instants = recurrence.preview(now, count)
    if not instants:
        return SchedulePreview(recurrence.describe(), ())
    decided = plan(
        replace(schedule, planned_through=now),
        recurrence,
        now,
        instants[-1].period_at - now,
        most=count,
        single_skips=count,
    )
    zone = load_zone(recurrence.timezone)
    items = tuple(
        PreviewItem(
            period_at=one.period_at,
            period_local=one.period_local,
            fate=Fate.RUN if fate.reason is None else Fate.SKIPPED,
            reason=fate.reason,
            starts_at=None if fate.reason else fate.not_before_at,
            starts_local=None if fate.reason else fate.not_before_at.astimezone(zone),
            clock_notes=one.clock_notes,
        )
        for one, fate in zip(instants, decided.periods, strict=True)
    )
    return SchedulePreview(recurrence.describe(), items)
