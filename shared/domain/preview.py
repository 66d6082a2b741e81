"""The coming instants of a recurrence, with a sentence wherever a clock change touches one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from shared.domain.cron_fields import CronFields
from shared.domain.description import listed
from shared.domain.local_time import (
    MINUTE,
    ClockChange,
    change_at,
    whole_minute_from,
    whole_minute_of,
)

_SECOND = timedelta(seconds=1)
_MOST_TIMES_NAMED = 4


class ClockNoteKind(StrEnum):
    """What a clock change does to an instant.

    - MOVED: a fixed time does not exist and runs at the first instant after the gap.
    - MERGED: as MOVED, and it shares that run with other skipped times or with the time there.
    - SKIPPED: a schedule that keeps its cadence lost times between its last instant and this one.
    - REPEATED: the local time comes twice; a fixed one runs at the first copy, others at both.
    """

    MOVED = "moved"
    MERGED = "merged"
    SKIPPED = "skipped"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class ClockNote:
    """What a clock change does to an instant, in one sentence with local times."""

    kind: ClockNoteKind
    text: str


@dataclass(frozen=True, slots=True)
class PreviewInstant:
    """One coming period: when it is due and, by the connector's spread, when it starts."""

    period_at: datetime
    """UTC."""
    starts_at: datetime
    """UTC."""
    period_local: datetime
    """Aware, in the recurrence's zone."""
    starts_local: datetime
    """Aware, in the recurrence's zone."""
    clock_notes: tuple[ClockNote, ...]
    """About `period_local`; empty unless a clock change touches it."""


def preview_instants(
    fields: CronFields,
    zone: tzinfo,
    periods: Sequence[datetime],
    offset: timedelta,
    previous: datetime | None,
) -> list[PreviewInstant]:
    """Return consecutive instants with their notes; `previous` is the one before the first.

    `offset` is the spread of the connector. The list ends where the calendar does.
    """
    found: list[PreviewInstant] = []
    for period_at in periods:
        try:
            found.append(
                PreviewInstant(
                    period_at=period_at,
                    starts_at=period_at + offset,
                    period_local=period_at.astimezone(zone),
                    starts_local=(period_at + offset).astimezone(zone),
                    clock_notes=tuple(_clock_notes(fields, zone, period_at, previous)),
                )
            )
        except OverflowError:
            break
        previous = period_at
    return found


def _clock_notes(
    fields: CronFields, zone: tzinfo, period_at: datetime, previous: datetime | None
) -> Iterator[ClockNote]:
    here = period_at.astimezone(zone)
    wall = here.replace(tzinfo=None, fold=0)
    if not fields.keeps_cadence:
        yield from _moved(fields, zone, wall)
    elif previous is not None:
        yield from _skipped(fields, zone, previous.astimezone(zone).replace(tzinfo=None), wall)
    change = change_at(wall, zone)
    if change is not None and not change.skips:
        yield _repeated(wall, change, is_second=here.fold == 1, runs_twice=fields.keeps_cadence)


def _moved(fields: CronFields, zone: tzinfo, wall: datetime) -> Iterator[ClockNote]:
    """Note the fixed times of the gap that ends at `wall`, if one does."""
    gap = change_at(wall - _SECOND, zone)
    if gap is None or not gap.skips:
        return
    skipped = _times_in(gap, fields)
    if not skipped:
        return
    is_one = len(skipped) == 1
    end = _clock(wall, _common_day(skipped))
    if fields.first_at_or_after(whole_minute_from(wall)) == wall:
        kind, what = ClockNoteKind.MERGED, f"{'it counts' if is_one else 'they count'} with"
    elif is_one:
        kind, what = ClockNoteKind.MOVED, "it counts as"
    else:
        kind, what = ClockNoteKind.MERGED, "they count together as"
    yield ClockNote(kind, f"{_do_not_exist(skipped, gap)}: {what} {end}.")


def _skipped(
    fields: CronFields, zone: tzinfo, previous: datetime, wall: datetime
) -> Iterator[ClockNote]:
    """Note the times between two neighbours, local and naive, that gaps skip."""
    # Whatever matches between neighbours is in a gap, or it would be an instant itself.
    local = fields.first_at_or_after(whole_minute_of(previous) + MINUTE)
    while local is not None and local < wall and (gap := change_at(local, zone)) is not None:
        skipped = _times_in(gap, fields)
        what = "it is skipped" if len(skipped) == 1 else "they are skipped"
        yield ClockNote(ClockNoteKind.SKIPPED, f"{_do_not_exist(skipped, gap)}: {what}.")
        local = fields.first_at_or_after(whole_minute_from(gap.end))


def _repeated(
    wall: datetime, change: ClockChange, *, is_second: bool, runs_twice: bool
) -> ClockNote:
    which = "second" if is_second else "first"
    what = f"this is the {which} of the two" if runs_twice else "it counts once, the first time"
    day = wall.date()
    when = _when(change, "goes back", day)
    text = f"{_clock(wall, day)} comes twice on {_date(day)}, {when}: {what}."
    return ClockNote(ClockNoteKind.REPEATED, text)


def _times_in(gap: ClockChange, fields: CronFields) -> list[datetime]:
    """Return the times that a gap skips, local and naive."""
    found: list[datetime] = []
    local = fields.first_at_or_after(whole_minute_from(gap.start))
    while local is not None and local < gap.end:
        found.append(local)
        local = fields.first_at_or_after(local + MINUTE)
    return found


def _do_not_exist(times: Sequence[datetime], gap: ClockChange) -> str:
    day = _common_day(times)
    names = [_clock(time, day) for time in times]
    named = listed(names)
    if len(names) > _MOST_TIMES_NAMED:
        named = f"The {len(names)} times from {names[0]} to {names[-1]}"
    verb = "does not exist" if len(names) == 1 else "do not exist"
    on_day = f" on {_date(day)}" if day else ""
    return f"{named} {verb}{on_day}, {_when(gap, 'goes', day)}"


def _common_day(times: Sequence[datetime]) -> date | None:
    """Return the day of all the times, or None when a gap across midnight skipped them."""
    first, last = times[0].date(), times[-1].date()
    return first if first == last else None


def _when(change: ClockChange, verb: str, day: date | None) -> str:
    at = change.at.replace(tzinfo=None)
    old, new = _clock(at + change.before, day), _clock(at + change.after, day)
    return f"when the clock {verb} from {old} to {new}"


def _clock(local: datetime, day: date | None) -> str:
    """Return a time as a person reads it, with its date unless that is `day`."""
    time = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return time if local.date() == day else f"{time} on {_date(local)}"


def _date(day: date) -> str:
    return f"{day.day} {day:%B} {day.year}"
