"""Cron schedules in time zones."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud_scheduler.cron import Cron, ScheduleError

NEW_YORK = "America/New_York"
EXPRESSIONS = (
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "30 1 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "45 1 * * 0",
    "7,37 0-3 * * *",
    "5 */2 * * *",
)
ZONES = (
    "UTC",
    NEW_YORK,
    "Europe/Oslo",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Pacific/Chatham",
    "Asia/Kathmandu",
)
crons = st.builds(Cron.parse, st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES))
near_clock_changes = st.one_of(
    st.datetimes(datetime(2026, 3, 6), datetime(2026, 4, 26)),  # noqa: DTZ001 (hypothesis wants it)
    st.datetimes(datetime(2026, 9, 26), datetime(2026, 11, 3)),  # noqa: DTZ001
).map(lambda naive: naive.replace(tzinfo=UTC))


def firings(expression: str, zone: str, start: str, count: int) -> list[str]:
    """Return the next local times after a local start, each with its offset."""
    cron = Cron.parse(expression, zone)
    instant = datetime.fromisoformat(start)
    found: list[str] = []
    for _ in range(count):
        instant = cron.next_after(instant)
        found.append(instant.astimezone(ZoneInfo(zone)).isoformat())
    return found


def test_a_schedule_fires_at_matching_times_of_its_zone() -> None:
    assert firings("0 9 * * mon-fri", "Europe/Oslo", "2026-11-20T09:00:00+01:00", 2) == [
        "2026-11-23T09:00:00+01:00",
        "2026-11-24T09:00:00+01:00",
    ]


def test_an_empty_zone_and_utc_in_any_case_mean_utc() -> None:
    base = datetime(2026, 11, 21, tzinfo=UTC)
    assert {Cron.parse("0 9 * * *", name).next_after(base) for name in ("", "utc", "Etc/UTC")} == {
        base + timedelta(hours=9)
    }


def test_day_of_month_and_day_of_week_are_alternatives() -> None:
    assert firings("0 0 1 * 7", "UTC", "2026-11-21T00:00:00+00:00", 3) == [
        "2026-11-22T00:00:00+00:00",
        "2026-11-29T00:00:00+00:00",
        "2026-12-01T00:00:00+00:00",
    ]


def test_a_time_that_the_clock_skips_fires_at_the_first_instant_after_the_gap() -> None:
    assert firings("30 2 * * *", NEW_YORK, "2026-03-07T12:00:00-05:00", 2) == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ]


def test_a_midnight_that_the_clock_skips_does_not_cost_the_day() -> None:
    assert firings("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00+02:00", 1) == [
        "2026-04-24T01:00:00+03:00"
    ]


def test_several_skipped_times_fire_once_together() -> None:
    assert firings("10,40 2 * * *", NEW_YORK, "2026-03-07T12:00:00-05:00", 2) == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:10:00-04:00",
    ]


def test_a_time_that_comes_twice_fires_at_its_first_copy_only() -> None:
    assert firings("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00-04:00", 2) == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-02T01:30:00-05:00",
    ]


def test_a_time_that_comes_twice_is_not_fired_again_when_asked_from_the_second_copy() -> None:
    assert firings("30 1 * * *", NEW_YORK, "2026-11-01T01:10:00-05:00", 1) == [
        "2026-11-02T01:30:00-05:00"
    ]


def test_an_hourly_schedule_keeps_its_cadence_through_a_repeated_hour() -> None:
    assert firings("0 * * * *", NEW_YORK, "2026-11-01T00:30:00-04:00", 3) == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T02:00:00-05:00",
    ]


def test_an_hourly_schedule_keeps_its_cadence_over_a_skipped_hour() -> None:
    assert firings("0 * * * *", NEW_YORK, "2026-03-08T00:30:00-05:00", 2) == [
        "2026-03-08T01:00:00-05:00",
        "2026-03-08T03:00:00-04:00",
    ]


def test_a_change_of_half_an_hour_is_kept_apart_from_one_of_an_hour() -> None:
    assert firings("*/15 * * * *", "Australia/Lord_Howe", "2026-04-05T01:40:00+11:00", 4) == [
        "2026-04-05T01:45:00+11:00",
        "2026-04-05T01:30:00+10:30",
        "2026-04-05T01:45:00+10:30",
        "2026-04-05T02:00:00+10:30",
    ]


@given(cron=crons, base=near_clock_changes)
def test_the_next_firing_is_always_later_and_the_same_from_everywhere_before_it(
    cron: Cron, base: datetime
) -> None:
    following = cron.next_after(base)
    assert following > base
    halfway = base + (following - base) / 2
    assert cron.next_after(halfway) == following
    assert cron.next_after(following - timedelta(microseconds=1)) == following


@given(base=near_clock_changes, zone=st.sampled_from(ZONES))
def test_a_minutely_schedule_fires_each_real_minute_in_every_zone(
    base: datetime, zone: str
) -> None:
    cron = Cron.parse("* * * * *", zone)
    instants = [base]
    for _ in range(5):
        instants.append(cron.next_after(instants[-1]))
    assert {later - earlier for earlier, later in pairwise(instants[1:])} == {timedelta(minutes=1)}


@given(base=near_clock_changes, expression=st.sampled_from(EXPRESSIONS))
def test_in_utc_the_firings_are_those_of_another_library(base: datetime, expression: str) -> None:
    assert Cron.parse(expression, "UTC").next_after(base) == next(CronSim(expression, base))


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "every 5 minutes",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "10-5 * * * *",
        "* * L * *",
        "* * * * 1#2",
        "* * * foo *",
        "jan * * * *",
        "* * * * mon-",
        "1,,2 * * * *",
        "R * * * *",
        "0 0 30 2 *",
    ],
)
def test_what_is_not_unix_cron_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        Cron.parse(expression, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "America", "EST5EDT4"])
def test_what_is_not_a_zone_is_refused(zone: str) -> None:
    with pytest.raises(ScheduleError, match="tz database"):
        Cron.parse("* * * * *", zone)


def test_the_refusal_of_an_english_schedule_says_what_to_write() -> None:
    with pytest.raises(ScheduleError, match=r"use '\*/5 \* \* \* \*'"):
        Cron.parse("every 5 minutes", "UTC")
