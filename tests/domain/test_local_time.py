# ruff: noqa: DTZ001 - local times are naive on purpose
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.local_time import ClockChange, change_at, instant_of, load_zone, offsets_of
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError

NEW_YORK = load_zone("America/New_York")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe",
        "Europe/",
        "Europe/Atlantis",
        "europe/oslo ",
        " Europe/Oslo",
        "/etc/localtime",
        "../etc/passwd",
        "Europe/../Europe/Oslo",
        "localtime",
        "posixrules",
        "Factory",
        "right/Europe/Oslo",
        "posix/Europe/Oslo",
        "UTC+1",
        "+01:00",
        "Europe/Osl\u00f8",
        "A\x00B",
        "x" * 10_000,
        "Europe/Oslo\x00",
        "../x",
        "./Europe/Oslo",
        "Europe//Oslo",
        "Europe\\Oslo",
        "Europe/Oslo\n",
        "europe/oslo",
        "EUROPE/OSLO",
        "Europe/oslo",
        "utc",
        "Utc",
        "Europe/__init__.py",
        "zone.tab",
        "tzdata.zi",
    ],
)
def test_what_is_not_a_zone_of_the_iana_database_is_refused(name: str) -> None:
    with pytest.raises(RecurrenceError) as refusal:
        load_zone(name)
    assert (refusal.value.field, refusal.value.code) == ("timezone", RecurrenceCode.TIMEZONE)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Oslo", "America/Argentina/Ushuaia", "Etc/GMT+5", "EST5EDT"]
)
def test_iana_names_are_zones(name: str) -> None:
    assert load_zone(name).key == name
    assert load_zone(name) is load_zone(name)


def test_a_skipped_time_names_its_gap() -> None:
    change = change_at(datetime(2026, 3, 8, 2, 30), NEW_YORK)
    assert change == ClockChange(datetime(2026, 3, 8, 7, tzinfo=UTC), -5 * HOUR, -4 * HOUR)
    assert change.skips
    assert (change.start, change.end) == (datetime(2026, 3, 8, 2), datetime(2026, 3, 8, 3))


def test_a_repeated_time_names_its_overlap() -> None:
    change = change_at(datetime(2026, 11, 1, 1, 30), NEW_YORK)
    assert change == ClockChange(datetime(2026, 11, 1, 6, tzinfo=UTC), -4 * HOUR, -5 * HOUR)
    assert not change.skips
    assert (change.start, change.end) == (datetime(2026, 11, 1, 1), datetime(2026, 11, 1, 2))


@pytest.mark.parametrize(
    "local",
    [
        datetime(2026, 3, 8, 1, 59),
        datetime(2026, 3, 8, 3),
        datetime(2026, 11, 1, 0, 59),
        datetime(2026, 11, 1, 2),
    ],
)
def test_the_edges_of_a_change_are_ordinary_times(local: datetime) -> None:
    assert change_at(local, NEW_YORK) is None
    before, after = offsets_of(local, NEW_YORK)
    assert before == after
    assert instant_of(local, before).astimezone(NEW_YORK).replace(tzinfo=None) == local


def test_a_day_that_was_skipped_is_one_gap() -> None:
    change = change_at(datetime(2011, 12, 30, 12), load_zone("Pacific/Apia"))
    assert change is not None
    assert change.at == datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert change.end - change.start == 24 * HOUR
