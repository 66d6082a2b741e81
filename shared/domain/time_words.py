"""Instants and durations as a person reads them: local, with the date, the zone named."""

from datetime import datetime, timedelta

from shared.domain.local_time import load_zone, offsets_of

_SECOND = timedelta(seconds=1)
_OFFSET = slice(-len("+01:00"), None)
"""Where an instant in ISO 8601 has its offset."""
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def day_and_time(instant: datetime, timezone: str) -> str:
    """Return such as "Monday 2 March 2026 at 02:00 (Europe/Oslo)"; seconds when there are any."""
    local = instant.astimezone(load_zone(timezone))
    return f"{_weekday_and_date(local)} at {_time(local)} {_zone(local, timezone)}"


def time_and_day(instant: datetime, timezone: str) -> str:
    """Return such as "14:00 on 2 March 2026 (Europe/Oslo)", to the minute that it lies in."""
    local = instant.astimezone(load_zone(timezone))
    return f"{local:%H:%M} on {_date(local)} {_zone(local, timezone)}"


def time_beside(instant: datetime, other: datetime, timezone: str) -> str:
    """Return a time such as "02:00", with its date unless `other` is on the same local day."""
    zone = load_zone(timezone)
    local = instant.astimezone(zone)
    is_same_day = local.date() == other.astimezone(zone).date()
    return _time(local) if is_same_day else f"{_time(local)} on {_weekday_and_date(local)}"


def duration(length: timedelta) -> str:
    """Return such as "3 minutes 17 seconds"; parts of a second are left out."""
    rest, parts = length // _SECOND, list[str]()
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def _weekday_and_date(local: datetime) -> str:
    return f"{local:%A} {_date(local)}"


def _date(local: datetime) -> str:
    return f"{local.day} {local:%B} {local.year}"


def _time(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _zone(local: datetime, timezone: str) -> str:
    """Name the zone; of a local time that comes twice also the offset, which tells them apart."""
    before, after = offsets_of(local.replace(tzinfo=None, fold=0), load_zone(timezone))
    if before == after:
        return f"({timezone})"
    return f"({timezone}, UTC{local.isoformat(timespec='minutes')[_OFFSET]})"
