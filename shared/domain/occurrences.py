"""The instants of cron fields in a zone: our rules for times that are skipped or come twice.

Fixed times run once: a skipped one at the first instant after the gap, a repeated one at its
first copy. Fields that keep their cadence run at every real instant that matches, and only then.
"""

from datetime import datetime, tzinfo

from shared.domain.cron_fields import HORIZON_YEARS, CronFields
from shared.domain.local_time import (
    MINUTE,
    change_at,
    instant_of,
    offsets_of,
    whole_minute_before,
    whole_minute_from,
    whole_minute_of,
)


def next_occurrence(fields: CronFields, zone: tzinfo, base: datetime) -> datetime | None:
    """Return the first instant after `base`, UTC, or None within the horizon."""
    search = _next_in_cadence if fields.keeps_cadence else _next_fixed
    try:
        return search(fields, zone, base)
    except OverflowError:  # the calendar ends with year 9999 and begins with year 1
        return None


def previous_occurrence(fields: CronFields, zone: tzinfo, base: datetime) -> datetime | None:
    """Return the last instant before `base`, UTC, or None within the horizon."""
    search = _previous_in_cadence if fields.keeps_cadence else _previous_fixed
    try:
        return search(fields, zone, base)
    except OverflowError:
        return None


def _next_fixed(fields: CronFields, zone: tzinfo, base: datetime) -> datetime | None:
    wall, second_copy = _wall(base, zone)
    change = change_at(wall, zone) if second_copy else None
    # In a second copy every repeated time has had its run, the later ones too.
    start = whole_minute_of(wall) + MINUTE if change is None else whole_minute_from(change.end)
    while (local := fields.first_at_or_after(start)) is not None:
        found = _single_run(local, zone)
        if found > base:
            return found
        start = local + MINUTE
    return None


def _previous_fixed(fields: CronFields, zone: tzinfo, base: datetime) -> datetime | None:
    wall, second_copy = _wall(base, zone)
    change = change_at(wall, zone) if second_copy else None
    start = whole_minute_before(wall if change is None else change.end)
    while (local := fields.last_at_or_before(start)) is not None:
        found = _single_run(local, zone)
        if found < base:
            return found
        change = change_at(local, zone)
        start = whole_minute_before(change.start if change and change.skips else local)
    return None


def _next_in_cadence(fields: CronFields, zone: tzinfo, base: datetime) -> datetime | None:
    wall, second_copy = _wall(base, zone)
    found = _first_copy_after(fields, zone, base, whole_minute_of(wall) + MINUTE)
    change = None if second_copy else change_at(wall, zone)
    if change is not None:
        # These times come once more, before any that lies behind them on the clock's face.
        again = fields.first_at_or_after(whole_minute_from(change.start))
        if again is not None and again < change.end:
            second = instant_of(again, change.after)
            found = second if found is None else min(found, second)
    return found


def _previous_in_cadence(fields: CronFields, zone: tzinfo, base: datetime) -> datetime | None:
    wall, second_copy = _wall(base, zone)
    found = _last_copy_before(fields, zone, base, whole_minute_before(wall))
    change = change_at(wall, zone) if second_copy else None
    if change is not None:
        again = fields.last_at_or_before(whole_minute_before(change.end))
        if again is not None and again >= change.start:
            first = instant_of(again, change.before)
            found = first if found is None else max(found, first)
    return found


def _first_copy_after(
    fields: CronFields, zone: tzinfo, base: datetime, start: datetime
) -> datetime | None:
    last_year = start.year + HORIZON_YEARS
    while (local := fields.first_at_or_after(start)) is not None and local.year <= last_year:
        start = local + MINUTE
        before, after = offsets_of(local, zone)
        if before < after:
            change = change_at(local, zone)
            start = start if change is None else whole_minute_from(change.end)
            continue
        for offset in (before, after):
            if (found := instant_of(local, offset)) > base:
                return found
    return None


def _last_copy_before(
    fields: CronFields, zone: tzinfo, base: datetime, start: datetime
) -> datetime | None:
    first_year = start.year - HORIZON_YEARS
    while (local := fields.last_at_or_before(start)) is not None and local.year >= first_year:
        start = local - MINUTE
        before, after = offsets_of(local, zone)
        if before < after:
            change = change_at(local, zone)
            start = start if change is None else whole_minute_before(change.start)
            continue
        for offset in (after, before):
            if (found := instant_of(local, offset)) < base:
                return found
    return None


def _wall(base: datetime, zone: tzinfo) -> tuple[datetime, bool]:
    """Return the naive local time of an instant, and whether it is a time's second copy."""
    here = base.astimezone(zone)
    return here.replace(tzinfo=None, fold=0), here.fold == 1


def _single_run(local: datetime, zone: tzinfo) -> datetime:
    """Return the one instant at which a fixed local time runs."""
    change = change_at(local, zone)
    if change is not None and change.skips:
        return change.at
    return instant_of(local, offsets_of(local, zone)[0])
