from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.blackout import BlackoutWindow, DatedDays, WeeklyHours
from shared.domain.blackout_rules import (
    WantedDays,
    WantedHours,
    WantedWindow,
    parse_window,
    require_room,
)
from shared.domain.presets import WEEKDAYS
from shared.errors import InvalidInputError

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
NIGHT = WantedHours(("monday", "friday"), "22:00", "06:00")
CHRISTMAS = WantedDays("2026-12-24", "2026-12-26")


def wanted(
    *,
    timezone: str | None = None,
    weekly: WantedHours | None = None,
    dated: WantedDays | None = None,
) -> WantedWindow:
    return WantedWindow("closed", timezone, weekly, dated)


def weekly(days: tuple[str, ...], starts: str, ends: str, zone: str = "UTC") -> BlackoutWindow:
    return BlackoutWindow("hours", zone, WeeklyHours(frozenset(days), starts, ends))


def dated(first: date, count: int) -> BlackoutWindow:
    return BlackoutWindow("days", "UTC", DatedDays(first, first + timedelta(days=count - 1)))


def test_weekly_hours_and_dated_days_are_read() -> None:
    assert parse_window(wanted(weekly=NIGHT), "Europe/Oslo") == BlackoutWindow(
        "closed", "Europe/Oslo", WeeklyHours(frozenset({"monday", "friday"}), "22:00", "06:00")
    )
    assert parse_window(wanted(dated=CHRISTMAS), "Europe/Oslo") == BlackoutWindow(
        "closed", "Europe/Oslo", DatedDays(date(2026, 12, 24), date(2026, 12, 26))
    )


def test_a_zone_that_is_named_comes_before_the_workspaces() -> None:
    window = parse_window(wanted(timezone="Asia/Tokyo", dated=CHRISTMAS), "Europe/Oslo")
    assert window.timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    "hours",
    [
        WantedHours(("monday",), "00:00", "24:00"),
        WantedHours(("monday",), "23:59", "00:00"),
        WantedHours(("monday",), "09:00", "09:00"),
        WantedHours(("monday", "monday"), "09:00", "09:01"),
    ],
)
def test_hours_at_the_edges_of_the_forms_are_read(hours: WantedHours) -> None:
    assert parse_window(wanted(weekly=hours), "UTC").hours == WeeklyHours(
        frozenset({"monday"}), hours.starts, hours.ends
    )


@pytest.mark.parametrize(
    ("window", "problems"),
    [
        (wanted(), [("weekly", "blackout_weekly_or_dated")]),
        (wanted(weekly=NIGHT, dated=CHRISTMAS), [("weekly", "blackout_weekly_or_dated")]),
        (
            wanted(timezone="Mars/Olympus", dated=CHRISTMAS),
            [("timezone", "valid_iana_timezone")],
        ),
        (
            wanted(weekly=WantedHours((), "22:00", "06:00")),
            [("weekly.days", "blackout_days_required")],
        ),
        (
            wanted(weekly=WantedHours(("monday", "Friday"), "22:00", "06:00")),
            [("weekly.days", "valid_day_of_week_enum")],
        ),
        (
            wanted(weekly=WantedHours(("monday",), "24:00", "06:00")),
            [("weekly.from", "blackout_time_format")],
        ),
        (
            wanted(weekly=WantedHours(("monday",), "9:00", "24:01")),
            [("weekly.from", "blackout_time_format"), ("weekly.to", "blackout_time_format")],
        ),
        (
            wanted(weekly=WantedHours(("monday",), "09:00\n", "\u0661\u0660:00")),
            [("weekly.from", "blackout_time_format"), ("weekly.to", "blackout_time_format")],
        ),
        (
            wanted(dated=WantedDays("2026-02-29", "20260301")),
            [("dated.first", "blackout_date_format"), ("dated.last", "blackout_date_format")],
        ),
        (
            wanted(dated=WantedDays("2026-12-24", "2026-12-23")),
            [("dated.last", "blackout_dates_order")],
        ),
        (
            wanted(dated=WantedDays("2026-01-01", "2027-01-02")),
            [("dated.last", "blackout_dates_span")],
        ),
        (
            wanted(timezone="", weekly=WantedHours((), "x", "y")),
            [
                ("weekly.days", "blackout_days_required"),
                ("weekly.from", "blackout_time_format"),
                ("weekly.to", "blackout_time_format"),
            ],
        ),
        (
            wanted(timezone="x" * 5000, weekly=WantedHours(("x" * 5000,), "x" * 5000, "06:00")),
            [
                ("timezone", "valid_iana_timezone"),
                ("weekly.days", "valid_day_of_week_enum"),
                ("weekly.from", "blackout_time_format"),
            ],
        ),
    ],
)
def test_every_wrong_field_is_named_with_its_rule(
    window: WantedWindow, problems: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_window(window, "UTC")
    found = refusal.value.problems
    assert [(problem.field, problem.code) for problem in found] == problems
    assert all(problem.reason and problem.hint for problem in found)
    assert all(len(problem.reason) < 200 for problem in found)


def test_a_window_may_have_as_many_days_as_a_leap_year() -> None:
    window = parse_window(wanted(dated=WantedDays("2028-01-01", "2028-12-31")), "UTC")
    assert window.hours == DatedDays(date(2028, 1, 1), date(2028, 12, 31))


def refusal(existing: list[BlackoutWindow], window: BlackoutWindow) -> tuple[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        require_room(existing, window, NOW)
    [problem] = refused.value.problems
    assert problem.hint
    return problem.field, problem.code


COVERED = "blackout_covers_everything"


@pytest.mark.parametrize("hours", ["00:00-24:00", "17:30-17:30"])
def test_hours_that_fill_the_week_are_refused(hours: str) -> None:
    assert refusal([], weekly(WEEKDAYS, *hours.split("-"))) == ("weekly", COVERED)


def test_windows_that_fill_the_week_together_are_refused() -> None:
    nights = weekly(WEEKDAYS, "18:00", "08:00", "Europe/Oslo")
    days = weekly(WEEKDAYS, "07:30", "18:00", "Europe/Oslo")
    require_room([], nights, NOW)
    require_room([nights], weekly(WEEKDAYS[1:], "07:30", "18:00", "Europe/Oslo"), NOW)
    assert refusal([nights], days) == ("weekly", COVERED)


def test_windows_that_fill_only_the_weeks_between_two_clock_changes_are_refused() -> None:
    # Together a day in every week, but for those in which one of both clocks has changed.
    oslo = weekly(WEEKDAYS, "06:00", "18:00", "Europe/Oslo")
    new_york = weekly(WEEKDAYS, "12:00", "00:00", "America/New_York")
    assert refusal([oslo], new_york) == ("weekly", COVERED)


def test_one_free_minute_a_week_is_room() -> None:
    whole_days = weekly(WEEKDAYS[1:], "00:00", "24:00")
    require_room([whole_days], weekly(("sunday",), "00:00", "23:59"), NOW)
    assert refusal([whole_days], weekly(("sunday",), "00:00", "24:00")) == ("weekly", COVERED)


def test_dated_days_may_cover_weeks_but_not_the_whole_next_year() -> None:
    require_room([], dated(NOW.date(), 365), NOW)
    require_room([], dated(NOW.date() + timedelta(days=1), 366), NOW)
    assert refusal([], dated(NOW.date(), 366)) == ("dated", COVERED)


def test_whoever_fills_the_last_gap_of_a_year_is_refused() -> None:
    before, after = dated(NOW.date(), 200), dated(NOW.date() + timedelta(days=201), 200)
    between = NOW.date() + timedelta(days=200)
    gap = weekly((f"{between:%A}".lower(),), "00:00", "24:00")
    other = weekly((f"{between + timedelta(days=1):%A}".lower(),), "00:00", "24:00")
    require_room([before, after], other, NOW)
    assert refusal([before, after], gap) == ("weekly", COVERED)
    assert refusal([before, gap], after) == ("dated", COVERED)
