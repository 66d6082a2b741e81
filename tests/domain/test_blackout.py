from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain.blackout import (
    HORIZON,
    Blackout,
    BlackoutWindow,
    DatedDays,
    WeeklyHours,
    blackout_at,
)
from shared.domain.presets import WEEKDAYS
from shared.errors import RecurrenceError
from tests.domain.blackout_walk import held_minutes
from tests.domain.drawn import ALL_ZONES, INSTANTS, LIVELY_ZONES, MINUTE, clock_changes

DAY = timedelta(days=1)
EVERY_DAY = " ".join(WEEKDAYS)


def weekly(
    days: str, hours: str, zone: str = "Europe/Oslo", name: str = "nights"
) -> BlackoutWindow:
    """Return weekly hours from days such as `monday friday` and hours such as `22:00-06:00`."""
    starts, _, ends = hours.partition("-")
    return BlackoutWindow(name, zone, WeeklyHours(frozenset(days.split()), starts, ends))


def dated(
    first: str, last: str | None = None, zone: str = "Europe/Oslo", name: str = "closed"
) -> BlackoutWindow:
    """Return dated days, of which one alone is the first and the last."""
    days = DatedDays(date.fromisoformat(first), date.fromisoformat(last or first))
    return BlackoutWindow(name, zone, days)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ORDINARY = [
    ("hours_of_a_day", weekly("monday", "09:00-17:00"), "2026-06-01T07:00", "2026-06-01T15:00"),
    ("over_midnight", weekly("sunday", "22:00-06:00"), "2026-05-31T20:00", "2026-06-01T04:00"),
    ("to_midnight", weekly("monday", "22:00-24:00"), "2026-06-01T20:00", "2026-06-01T22:00"),
    ("to_zero_hours", weekly("monday", "22:00-00:00"), "2026-06-01T20:00", "2026-06-01T22:00"),
    ("a_day_round", weekly("monday", "09:00-09:00"), "2026-06-01T07:00", "2026-06-02T07:00"),
    ("a_whole_day", weekly("monday", "00:00-24:00"), "2026-05-31T22:00", "2026-06-01T22:00"),
    ("one_date", dated("2026-12-24"), "2026-12-23T23:00", "2026-12-24T23:00"),
    ("three_dates", dated("2026-12-24", "2026-12-26"), "2026-12-23T23:00", "2026-12-26T23:00"),
    (
        "far_east",
        dated("2026-06-01", zone="Pacific/Kiritimati"),
        "2026-05-31T10:00",
        "2026-06-01T10:00",
    ),
    (
        "far_west",
        dated("2026-06-01", zone="Pacific/Pago_Pago"),
        "2026-06-01T11:00",
        "2026-06-02T11:00",
    ),
    (
        "far_west_a_day_round",
        weekly("monday", "23:00-23:00", "Pacific/Pago_Pago"),
        "2026-06-02T10:00",
        "2026-06-03T10:00",
    ),
    (
        "three_quarters_of_an_hour_from_utc",
        weekly("monday", "06:00-07:00", "Asia/Kathmandu"),
        "2026-06-01T00:15",
        "2026-06-01T01:15",
    ),
]

CLOCK_CHANGES = [
    (
        "oslo_start_is_skipped",
        weekly("sunday", "02:30-05:00"),
        "2026-03-29T01:00",
        "2026-03-29T03:00",
    ),
    (
        "oslo_end_is_skipped",
        weekly("sunday", "01:00-02:30"),
        "2026-03-29T00:00",
        "2026-03-29T01:00",
    ),
    (
        "oslo_start_comes_twice",
        weekly("sunday", "02:30-05:00"),
        "2026-10-25T00:30",
        "2026-10-25T04:00",
    ),
    (
        "oslo_end_comes_twice",
        weekly("sunday", "01:00-02:30"),
        "2026-10-24T23:00",
        "2026-10-25T01:30",
    ),
    (
        "oslo_end_as_the_repeated_hour_begins",
        weekly("sunday", "01:00-02:00"),
        "2026-10-24T23:00",
        "2026-10-25T00:00",
    ),
    (
        "oslo_end_after_the_repeated_hour",
        weekly("sunday", "02:00-03:00"),
        "2026-10-25T00:00",
        "2026-10-25T02:00",
    ),
    (
        "oslo_both_come_twice",
        weekly("sunday", "02:15-02:45"),
        "2026-10-25T00:15",
        "2026-10-25T01:45",
    ),
    (
        "oslo_night_of_nine_hours",
        weekly("saturday", "22:00-06:00"),
        "2026-10-24T20:00",
        "2026-10-25T05:00",
    ),
    (
        "lord_howe_gap_of_half_an_hour",
        weekly("sunday", "02:15-04:00", "Australia/Lord_Howe"),
        "2026-10-03T15:30",
        "2026-10-03T17:00",
    ),
    (
        "lord_howe_overlap_of_half_an_hour",
        weekly("sunday", "01:45-04:00", "Australia/Lord_Howe"),
        "2026-04-04T14:45",
        "2026-04-04T17:30",
    ),
    (
        "cairo_day_that_begins_at_one",
        dated("2024-04-26", zone="Africa/Cairo"),
        "2024-04-25T22:00",
        "2024-04-26T21:00",
    ),
    (
        "cairo_end_at_the_skipped_midnight",
        weekly("thursday", "20:00-24:00", "Africa/Cairo"),
        "2024-04-25T18:00",
        "2024-04-25T22:00",
    ),
    (
        "cairo_last_hour_of_a_day_comes_twice",
        weekly("thursday", "23:00-23:30", "Africa/Cairo"),
        "2024-10-31T20:00",
        "2024-10-31T21:30",
    ),
    (
        "apia_into_the_day_that_was_skipped",
        weekly("thursday", "22:00-06:00", "Pacific/Apia"),
        "2011-12-30T08:00",
        "2011-12-30T10:00",
    ),
    (
        "apia_out_of_the_day_that_was_skipped",
        weekly("friday", "22:00-06:00", "Pacific/Apia"),
        "2011-12-30T10:00",
        "2011-12-30T16:00",
    ),
    (
        "apia_around_the_day_that_was_skipped",
        dated("2011-12-29", "2011-12-31", zone="Pacific/Apia"),
        "2011-12-29T10:00",
        "2011-12-31T10:00",
    ),
    (
        "st_johns_where_midnight_came_twice",
        dated("2010-11-07", zone="America/St_Johns"),
        "2010-11-07T02:30",
        "2010-11-08T03:30",
    ),
]


@pytest.mark.parametrize(
    ("window", "starts_at", "ends_at"),
    [pytest.param(*case[1:], id=case[0]) for case in (*ORDINARY, *CLOCK_CHANGES)],
)
def test_a_window_holds_from_its_start_up_to_its_end(
    window: BlackoutWindow, starts_at: str, ends_at: str
) -> None:
    expected = Blackout(window.name, utc(ends_at))
    almost = timedelta(microseconds=1)
    assert blackout_at([window], utc(starts_at) - almost) is None
    assert blackout_at([window], utc(starts_at)) == expected
    assert blackout_at([window], utc(ends_at) - almost) == expected
    assert blackout_at([window], utc(ends_at)) is None


@pytest.mark.parametrize(
    ("window", "instant"),
    [
        (weekly("sunday", "02:10-02:50"), "2026-03-29T01:00"),
        (dated("2011-12-30", zone="Pacific/Apia"), "2011-12-30T10:00"),
    ],
    ids=["hours_in_a_gap", "a_day_that_was_skipped"],
)
def test_a_window_that_the_clock_skips_never_holds(window: BlackoutWindow, instant: str) -> None:
    for shift in (-MINUTE, -timedelta(seconds=1), timedelta(0), MINUTE):
        assert blackout_at([window], utc(instant) + shift) is None


def test_without_windows_there_is_no_blackout() -> None:
    assert blackout_at([], utc("2026-06-01T00:00")) is None


def test_windows_that_touch_or_overlap_are_one_blackout() -> None:
    windows = [
        weekly("monday", "08:00-12:00", "UTC", "morning"),
        weekly("monday", "12:00-13:00", "UTC", "lunch"),
        weekly("monday", "12:30-18:00", "UTC", "afternoon"),
        weekly("monday", "18:01-20:00", "UTC", "evening"),
    ]
    for clock, name in (("09:00", "morning"), ("12:30", "lunch"), ("17:59", "afternoon")):
        found = blackout_at(windows, utc(f"2026-06-01T{clock}"))
        assert found == Blackout(name, utc("2026-06-01T18:00"))
    assert blackout_at(windows, utc("2026-06-01T18:00")) is None


def test_windows_of_different_zones_are_followed_on() -> None:
    windows = [
        weekly(EVERY_DAY, "22:00-06:00", "Asia/Tokyo", "tokyo"),  # 13:00 to 21:00 UTC
        weekly("monday", "16:30-23:00", "America/New_York", "new york"),  # 20:30 to 03:00 UTC
        dated("2026-06-02", zone="Etc/GMT-1", name="one day"),  # 23:00 to 23:00 UTC
    ]
    assert blackout_at(windows, utc("2026-06-01T14:00")) == Blackout(
        "tokyo", utc("2026-06-02T23:00")
    )


def test_the_name_is_that_of_the_first_window_that_holds() -> None:
    windows = [dated("2026-06-01", name="day"), weekly("monday", "09:00-10:00", name="hour")]
    for order in (windows, windows[::-1]):
        found = blackout_at(order, utc("2026-06-01T07:30"))
        assert found == Blackout(order[0].name, utc("2026-06-01T22:00"))


def test_the_same_hours_on_days_in_a_row_are_one_blackout() -> None:
    weekend = weekly("saturday sunday", "00:00-24:00", "UTC")
    assert blackout_at([weekend], utc("2026-06-06T12:00")) == Blackout(
        weekend.name, utc("2026-06-08T00:00")
    )


def test_an_end_beyond_the_horizon_is_none() -> None:
    year = [dated("2026-01-01", "2026-12-31", "UTC"), dated("2027-01-01", "2027-12-31", "UTC")]
    free = utc("2028-01-01T00:00")
    assert blackout_at(year, free - HORIZON) == Blackout("closed", free)
    assert blackout_at(year, free - HORIZON - MINUTE) == Blackout("closed", None)
    always = [weekly(EVERY_DAY, "05:00-05:00")]
    assert blackout_at(always, free) == Blackout("nights", None)


@pytest.mark.parametrize(
    "instant", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
def test_the_ends_of_the_calendar_hold_no_windows(instant: datetime) -> None:
    windows = [weekly(EVERY_DAY, "00:00-24:00"), dated("0001-01-01", "9999-12-31")]
    assert blackout_at(windows, instant) is None


def test_any_aware_instant_is_accepted_and_utc_is_answered() -> None:
    there = utc("2026-06-01T09:00").astimezone(ZoneInfo("Asia/Tokyo"))
    found = blackout_at([weekly("monday", "09:00-17:00")], there)
    assert found is not None
    assert found.ends_at is not None
    assert found.ends_at.tzinfo is UTC


def test_a_naive_instant_and_an_unknown_zone_are_refused() -> None:
    instant = utc("2026-06-01T09:00")
    with pytest.raises(ValueError, match="aware"):
        blackout_at([], instant.replace(tzinfo=None))
    with pytest.raises(RecurrenceError, match="Mars"):
        blackout_at([weekly("monday", "09:00-17:00", "Mars/Olympus")], instant)


CLOCKS = st.times().map(lambda drawn: f"{drawn:%H:%M}")
HOURS = st.builds(
    WeeklyHours,
    st.frozensets(st.sampled_from(WEEKDAYS), min_size=1),
    CLOCKS,
    CLOCKS | st.just("24:00"),
)
ZONES_TOO = st.sampled_from(LIVELY_ZONES)


def _windows_near(middle: datetime, zone: str) -> st.SearchStrategy[list[BlackoutWindow]]:
    first = st.integers(-4, 3).map(lambda shift: middle.date() + shift * DAY)
    days = st.builds(lambda day, more: DatedDays(day, day + more * DAY), first, st.integers(0, 3))
    zones = st.just(zone) | ZONES_TOO
    windows = st.builds(BlackoutWindow, st.sampled_from("abc"), zones, HOURS | days)
    return st.lists(windows, min_size=1, max_size=4)


@st.composite
def windows_near_a_change(draw: st.DrawFn) -> tuple[list[BlackoutWindow], datetime]:
    """Draw windows, and an instant close to a clock change of one of their zones."""
    zone = draw(ZONES_TOO)
    # Offsets had seconds in earlier times, and the oracle looks at minutes.
    middle = draw(st.sampled_from(clock_changes(zone, 1980)))
    return draw(_windows_near(middle, zone)), middle


@settings(max_examples=100, deadline=None)
@given(windows_near_a_change())
def test_a_walk_through_every_minute_around_a_clock_change_agrees(
    drawn: tuple[list[BlackoutWindow], datetime],
) -> None:
    windows, middle = drawn
    middle = middle.replace(second=0)
    start, end = middle - 4 * DAY, middle + 4 * DAY
    held = set().union(*(held_minutes(window, start, end) for window in windows))
    # The walk does not see beyond its days, so that the outer ones are not asked for.
    margin = 2 * DAY // MINUTE
    last = (end - start) // MINUTE - 1
    for number in range(margin, last - margin, 11):
        found = blackout_at(windows, start + number * MINUTE)
        assert (found is not None) == (number in held), start + number * MINUTE
        if found is not None:
            free = next((later for later in range(number, last) if later not in held), None)
            if free is not None:
                assert found.ends_at == start + free * MINUTE


@settings(max_examples=200, deadline=None)
@given(
    windows=st.lists(
        st.builds(BlackoutWindow, st.sampled_from("abc"), st.sampled_from(ALL_ZONES), HOURS),
        min_size=1,
        max_size=5,
    ),
    instant=INSTANTS,
    share=st.floats(0, 1, exclude_max=True),
)
def test_a_blackout_holds_until_its_end_and_not_at_it(
    windows: list[BlackoutWindow], instant: datetime, share: float
) -> None:
    found = blackout_at(windows, instant)
    assume(found is not None)
    assert found is not None
    assert found.name in {window.name for window in windows}
    if found.ends_at is None:
        assert blackout_at(windows, instant + share * HORIZON) is not None
        return
    assert instant < found.ends_at <= instant + HORIZON
    assert blackout_at(windows, found.ends_at) is None
    later = instant + share * (found.ends_at - instant)
    assume(later < found.ends_at)
    assert blackout_at(windows, later) in [
        Blackout(window.name, found.ends_at) for window in windows
    ]
