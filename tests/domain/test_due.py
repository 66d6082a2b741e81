from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.blackout import BlackoutWindow, WeeklyHours
from shared.domain.due import due_period, has_period_in, minute_of
from shared.domain.instants import parse_instant
from shared.domain.plan import PlannedPeriod
from shared.domain.presets import WEEKDAYS
from shared.domain.recurrence import Recurrence
from shared.domain.schedule import (
    UNTIL_RESUMED,
    BlackoutPolicy,
    Frequency,
    MissedRunPolicy,
    RecurrenceFields,
    Schedule,
    build_recurrence,
)
from shared.domain.spread import spread_offset
from tests.domain.drawn import FREQUENT_EXPRESSIONS, LIVELY_ZONES, MINUTE, Drawn, oracle
from tests.factories import at

CONNECTOR = UUID(int=7)
NIGHT = BlackoutWindow(
    "night", "UTC", WeeklyHours(frozenset(WEEKDAYS), starts="01:30", ends="04:00")
)
# Not later: the oracle reads the machine's own zones, which may be older than the pinned ones.
LIVELY_YEARS = st.datetimes(
    min_value=datetime.fromisoformat("2000-01-01"),
    max_value=datetime.fromisoformat("2024-01-01"),
    timezones=st.just(UTC),
)


def make(cron: str = "0 2 * * *", zone: str = "UTC", **values: object) -> Schedule:
    """Return a schedule whose mark is far from every minute that is asked about."""
    wanted = {
        "id": 1,
        "workspace_id": 1,
        "connector_id": 1,
        "connector_public_id": CONNECTOR,
        "connector_is_usable": True,
        "recurrence": RecurrenceFields(Frequency.CUSTOM, zone, cron_expression=cron),
        "missed_run_policy": MissedRunPolicy.RUN_ONCE,
        "catch_up_window": timedelta(days=1),
        "spread": timedelta(0),
        "blackout_policy": BlackoutPolicy.SKIP,
        "blackouts": (),
        "paused_until": None,
        "planned_through": datetime(2020, 1, 1, tzinfo=UTC),
        **values,
    }
    return Schedule(**wanted)


def due(schedule: Schedule, instant: datetime) -> PlannedPeriod | None:
    recurrence = build_recurrence(schedule.recurrence)
    assert recurrence is not None
    return due_period(schedule, recurrence, minute_of(instant))


def starts(schedule: Schedule, instant: datetime) -> str | None:
    found = due(schedule, instant)
    return None if found is None else f"{found.period_at:%H:%M}>{found.not_before_at:%H:%M}"


@pytest.mark.parametrize(
    ("clock", "is_due"),
    [
        ("01:59", False),
        ("01:59:59.999999", False),
        ("02:00", True),
        ("02:00:00.000001", True),
        ("02:00:59.999999", True),
        ("02:01", False),
        ("14:00", False),
    ],
)
@pytest.mark.parametrize("policy", MissedRunPolicy)
def test_due_exactly_at_its_minute_and_not_at_the_ones_beside_it(
    policy: MissedRunPolicy, clock: str, *, is_due: bool
) -> None:
    assert (due(make(missed_run_policy=policy), at(clock)) is not None) == is_due


def test_the_31st_is_not_due_on_30_november() -> None:
    monthly = make("0 2 31 * *")
    assert due(monthly, at("02:00", day="2026-11-30")) is None
    assert due(monthly, at("02:00", day="2026-12-01")) is None
    assert due(monthly, at("02:00", day="2026-12-31")) is not None


@pytest.mark.parametrize("day", ["1999-12-31", "2020-01-01", "2026-03-02", "2090-06-15"])
def test_the_past_and_the_future_are_answered_alike(day: str) -> None:
    assert starts(make(), at("02:00", day=day)) == "02:00>02:00"


@pytest.mark.parametrize(
    ("cron", "zone", "instant", "is_due"),
    [
        # A skipped time is due at the first instant after the gap.
        ("30 2 * * *", "Europe/Oslo", "2026-03-29T01:00Z", True),
        ("30 2 * * *", "Europe/Oslo", "2026-03-29T01:30Z", False),
        # A time that comes twice is due once, at the first.
        ("30 2 * * *", "Europe/Oslo", "2026-10-25T00:30Z", True),
        ("30 2 * * *", "Europe/Oslo", "2026-10-25T01:30Z", False),
        ("*/30 * * * *", "Europe/Oslo", "2026-10-25T01:30Z", True),
        # Offsets of seconds: the period lies within the minute and not at its start.
        ("0 12 * * *", "Africa/Monrovia", "1960-01-01T12:44Z", True),
        ("0 12 * * *", "Africa/Monrovia", "1960-01-01T12:45Z", False),
    ],
)
def test_clock_changes_and_odd_offsets_are_heeded(
    cron: str, zone: str, instant: str, *, is_due: bool
) -> None:
    assert (due(make(cron, zone), datetime.fromisoformat(instant)) is not None) == is_due


def test_a_paused_period_is_not_due_and_the_one_at_the_end_of_the_pause_is() -> None:
    assert due(make(paused_until=at("02:01")), at("02:00")) is None
    assert due(make(paused_until=UNTIL_RESUMED), at("02:00")) is None
    assert due(make(paused_until=at("02:00")), at("02:00")) is not None


def test_the_connector_of_a_period_must_be_usable() -> None:
    assert due(make(connector_is_usable=False), at("02:00")) is None


def test_a_period_that_a_blackout_window_skips_is_not_due() -> None:
    hourly = make("0 * * * *", blackouts=(NIGHT,))
    asked = [at(clock) for clock in ("01:00", "02:00", "03:00", "04:00")]
    assert [starts(hourly, one) for one in asked] == ["01:00>01:00", None, None, "04:00>04:00"]


def test_a_period_that_is_moved_is_due_and_starts_at_the_end_of_the_window() -> None:
    moved = make("0 2,3 * * *", blackouts=(NIGHT,), blackout_policy=BlackoutPolicy.MOVE)
    assert starts(moved, at("03:00")) == "03:00>04:00"
    assert starts(moved, at("02:00")) is None, "the newest of a window runs for all of them"
    assert starts(moved, at("04:00")) is None, "the end of a window is no period"


def test_spread_moves_the_start_and_not_the_minute_in_which_it_is_due() -> None:
    spread = timedelta(hours=1)
    offset = spread_offset(CONNECTOR, spread)
    assert offset > MINUTE
    found = due(make(spread=spread), at("02:00"))
    assert found is not None
    assert (found.period_at, found.not_before_at) == (at("02:00"), at("02:00") + offset)
    assert due(make(spread=spread), minute_of(at("02:00") + offset)) is None


@given(drawn=FREQUENT_EXPRESSIONS, zone=st.sampled_from(LIVELY_ZONES), instant=LIVELY_YEARS)
def test_a_schedule_is_due_in_the_minutes_of_its_periods_and_in_no_other(
    drawn: Drawn, zone: str, instant: datetime
) -> None:
    schedule, recurrence = make(drawn.text, zone), Recurrence.from_cron(drawn.text, zone)
    near = recurrence.next_after(instant)
    assert near is not None
    for minute in (minute_of(instant), minute_of(near), minute_of(near) + MINUTE):
        named = oracle(drawn, zone, minute - timedelta(seconds=1), minute + timedelta(seconds=59))
        found = due_period(schedule, recurrence, minute)
        assert has_period_in(recurrence, minute) == bool(named)
        assert (None if found is None else found.period_at) == (named[0] if named else None)


def test_the_minute_of_an_instant_is_in_utc() -> None:
    assert minute_of(datetime.fromisoformat("2026-12-01T03:30:59.9+05:30")) == datetime(
        2026, 11, 30, 22, 0, tzinfo=UTC
    )


def test_a_naive_instant_has_no_minute() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        minute_of(datetime.fromisoformat("2026-12-01T02:00"))


@pytest.mark.parametrize("text", ["0002-01-01T00:00+14:00", "9997-12-31T23:59-14:00"])
def test_the_ends_of_the_calendar_are_far_enough_from_every_instant(text: str) -> None:
    schedule = make(
        "* * * * *",
        "Pacific/Kiritimati",
        spread=timedelta(days=1),
        blackouts=(NIGHT,),
        blackout_policy=BlackoutPolicy.MOVE,
    )
    assert due(schedule, parse_instant(text)) is not None
