"""Hypothesis strategies of the recurrence tests, and an oracle that looks at every minute."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from shared.domain.local_time import load_zone
from shared.domain.zone_data import zone_names

MINUTE = timedelta(minutes=1)
LIVELY_ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/Oslo",
    "Pacific/Apia",
    "Pacific/Chatham",
)


ALL_ZONES = tuple(sorted(zone_names()))


@dataclass(frozen=True)
class Drawn:
    """An expression and what it matches, drawn together so that no parser is trusted."""

    text: str
    matches: Callable[[datetime], bool]
    keeps_cadence: bool


def _values(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    listed = st.frozensets(st.integers(low, high), min_size=1, max_size=6).map(
        lambda chosen: (",".join(map(str, sorted(chosen))), chosen)
    )
    ranged = st.tuples(
        st.integers(low, high), st.integers(low, high), st.integers(1, high - low + 1)
    ).map(lambda drawn: _range(*drawn))
    starred = st.integers(1, high - low + 1).map(
        lambda step: (f"*/{step}", frozenset(range(low, high + 1, step)))
    )
    return st.one_of(st.just(("*", frozenset(range(low, high + 1)))), listed, ranged, starred)


def _range(one: int, other: int, step: int) -> tuple[str, frozenset[int]]:
    low, high = min(one, other), max(one, other)
    if low == high:
        return str(low), frozenset({low})
    return f"{low}-{high}/{step}", frozenset(range(low, high + 1, step))


def _drawn(parts: tuple[tuple[str, frozenset[int]], ...]) -> Drawn:
    (minute, minutes), (hour, hours), (day, days), (month, months), (weekday, weekdays) = parts
    both = day.startswith("*") or weekday.startswith("*")

    def matches(local: datetime) -> bool:
        on_day, on_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return (
            local.minute in minutes
            and local.hour in hours
            and local.month in months
            and ((on_day and on_weekday) if both else (on_day or on_weekday))
        )

    cadence = minute.startswith("*") or hour.startswith("*")
    return Drawn(f"{minute} {hour} {day} {month} {weekday}", matches, cadence)


EVERY_MONTH = st.just(("*", frozenset(range(1, 13))))
EXPRESSIONS = st.tuples(
    _values(0, 59), _values(0, 23), _values(1, 31), _values(1, 12), _values(0, 6)
).map(_drawn)
FREQUENT_EXPRESSIONS = st.tuples(
    _values(0, 59), _values(0, 23), _values(1, 31), EVERY_MONTH, _values(0, 6)
).map(_drawn)
INSTANTS = st.datetimes(
    min_value=datetime.fromisoformat("1800-01-01"),
    max_value=datetime.fromisoformat("2300-01-01"),
    timezones=st.just(UTC),
)


@cache
def clock_changes(zone: str, first_year: int = 1850, last_year: int = 2037) -> list[datetime]:
    """Return the first instants, UTC, of a zone's new offsets that last for weeks."""
    changes: list[datetime] = []
    info = load_zone(zone)
    instant = datetime(first_year, 1, 1, tzinfo=UTC)
    while instant.year <= last_year:
        following = instant + timedelta(days=7)
        old = instant.astimezone(info).utcoffset()
        if following.astimezone(info).utcoffset() != old:
            low, high = instant, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                if middle.astimezone(info).utcoffset() == old:
                    low = middle
                else:
                    high = middle
            changes.append(high)
        instant = following
    return changes


def oracle(drawn: Drawn, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Return the instants in (start, end], found by trying every local minute around them."""
    info = load_zone(zone)
    found = {
        instant
        for local in _local_minutes(start, end)
        if drawn.matches(local)
        for instant in _runs_of(local, info, keeps_cadence=drawn.keeps_cadence)
    }
    return sorted(instant for instant in found if start < instant <= end)


def _local_minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    margin = timedelta(hours=26)  # more than any offset
    local = start.replace(tzinfo=None, second=0, microsecond=0) - margin
    while local < end.replace(tzinfo=None) + margin:
        yield local
        local += MINUTE


def _runs_of(local: datetime, zone: ZoneInfo, *, keeps_cadence: bool) -> list[datetime]:
    copies = sorted(
        {
            instant
            for fold in (0, 1)
            if (instant := local.replace(tzinfo=zone, fold=fold).astimezone(UTC))
            .astimezone(zone)
            .replace(tzinfo=None, fold=0)
            == local
        }
    )
    if keeps_cadence:
        return copies
    return copies[:1] or [_end_of_gap(local, zone)]


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    instant = local.replace(tzinfo=UTC) - timedelta(hours=30)
    for step in (timedelta(hours=1), MINUTE, timedelta(seconds=1)):
        while (instant + step).astimezone(zone).replace(tzinfo=None) <= local:
            instant += step
    return instant + timedelta(seconds=1)
