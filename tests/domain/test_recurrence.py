from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from shared.domain import recurrence as module
from shared.domain.local_time import load_zone
from shared.domain.recurrence import Recurrence, require_minimum_interval, shortest_interval
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError
from tests.domain.drawn import (
    ALL_ZONES,
    EXPRESSIONS,
    FREQUENT_EXPRESSIONS,
    INSTANTS,
    MINUTE,
    Drawn,
    clock_changes,
)
from tests.domain.zone_changes import ZONES_ONCE, changes_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NIGHTLY = Recurrence.from_cron("0 2 * * *", "UTC")
ZONES = st.sampled_from(ALL_ZONES)
SHIFTS = st.timedeltas(timedelta(hours=-3), timedelta(hours=3))


def legal(drawn: Drawn, zone: str) -> Recurrence:
    try:
        return Recurrence.from_cron(drawn.text, zone)
    except RecurrenceError as error:
        if error.code == RecurrenceCode.CRON_NEVER_FIRES:
            reject()
        raise


def assert_round_trip(recurrence: Recurrence, instant: datetime) -> None:
    zone = load_zone(recurrence.timezone)
    local = instant.astimezone(zone)
    assert local.astimezone(UTC) == instant
    naive = local.replace(tzinfo=None)
    assert naive.replace(tzinfo=zone, fold=local.fold).astimezone(UTC) == instant


def test_due_exactly_at_two_and_not_a_minute_later() -> None:
    two = datetime(2026, 6, 2, 2, tzinfo=UTC)
    assert NIGHTLY.next_after(two - timedelta(microseconds=1)) == two
    assert NIGHTLY.next_after(two) == two + timedelta(days=1)
    assert NIGHTLY.previous_before(two + timedelta(microseconds=1)) == two
    assert NIGHTLY.previous_before(two) == two - timedelta(days=1)


def test_any_aware_instant_is_accepted_and_utc_is_answered() -> None:
    elsewhere = timezone(timedelta(hours=-7, minutes=-30))
    for zone in (UTC, elsewhere, load_zone("Asia/Tokyo")):
        found = NIGHTLY.next_after(NOON.astimezone(zone))
        assert found == datetime(2026, 6, 2, 2, tzinfo=UTC)
        assert found is not None
        assert found.tzinfo is UTC


def test_the_period_before_an_instant_in_a_repeated_hour_is_one_that_is_named() -> None:
    every_two_hours = Recurrence.from_cron("0 */2 * * *", "Europe/London")
    instant = datetime(2026, 10, 25, 1, 30, 0, 1, tzinfo=UTC)
    assert every_two_hours.previous_before(instant) == datetime(2026, 10, 24, 23, 0, tzinfo=UTC)


def test_naive_instants_are_refused() -> None:
    naive = NOON.replace(tzinfo=None)
    for call in (
        lambda: NIGHTLY.next_after(naive),
        lambda: NIGHTLY.previous_before(naive),
        lambda: NIGHTLY.between(naive, NOON, 1),
        lambda: NIGHTLY.between(NOON, naive, 1),
        lambda: shortest_interval(NIGHTLY, naive),
    ):
        with pytest.raises(ValueError, match="aware"):
            call()


def test_between_excludes_its_start_includes_its_end_and_stops_at_its_limit() -> None:
    first = datetime(2026, 6, 1, 2, tzinfo=UTC)
    days = [first + timedelta(days=day) for day in range(5)]
    assert NIGHTLY.between(days[0], days[3], 10) == days[1:4]
    assert NIGHTLY.between(days[0], days[3], 2) == days[1:3]
    assert NIGHTLY.between(days[0], days[3], 0) == []
    assert NIGHTLY.between(days[3], days[0], 10) == []


def test_a_recurrence_is_a_value_and_a_key() -> None:
    same = Recurrence.from_cron(" 0  2 * * * ", "UTC")
    assert same == NIGHTLY
    assert {NIGHTLY: 1}[same] == 1
    assert Recurrence.from_cron("0 2 * * *", "Europe/Oslo") != NIGHTLY


def test_answers_are_remembered_within_a_bound() -> None:
    module._next_after.cache_clear()
    NIGHTLY.next_after(NOON)
    NIGHTLY.next_after(NOON + timedelta(microseconds=999_999))
    info = module._next_after.cache_info()
    assert (info.hits, info.misses) == (1, 1)
    assert info.maxsize is not None


def test_the_ends_of_the_calendar_answer_none() -> None:
    yearly = Recurrence.from_cron("@yearly", "Pacific/Kiritimati")
    assert yearly.next_after(datetime.max.replace(tzinfo=UTC)) is None
    assert yearly.previous_before(datetime.min.replace(tzinfo=UTC)) is None


def test_a_schedule_whose_every_time_is_skipped_has_no_next_run_and_says_so_at_once() -> None:
    """The last Sunday of March is when the clocks of Oslo skip the hour from 02:00."""
    never = Recurrence.from_cron("*/30 2 25-31 3 */7", "Europe/Oslo")
    assert never.next_after(NOON) is None
    assert never.preview(NOON, 5) == []
    assert never.between(NOON, NOON + timedelta(days=3_650), 5) == []
    assert Recurrence.from_cron("30 2 25-31 3 0", "Europe/Oslo").next_after(NOON) is not None


INTERVALS = [
    ("* * * * *", MINUTE),
    ("*/15 * * * *", 15 * MINUTE),
    ("0,50 * * * *", 10 * MINUTE),
    ("0 0,23 * * *", 60 * MINUTE),
    ("59,0 23,0 1,l * *", MINUTE),
    ("0 2 * * *", timedelta(days=1)),
    ("0 0 1 * *", timedelta(days=28)),
    ("0 0 29 2 *", timedelta(days=1461)),
]


@pytest.mark.parametrize(("expression", "shortest"), INTERVALS, ids=[r[0] for r in INTERVALS])
def test_the_shortest_interval_is_that_of_the_clock_face(
    expression: str, shortest: timedelta
) -> None:
    recurrence = Recurrence.from_cron(expression, "Australia/Lord_Howe")
    assert shortest_interval(recurrence, NOON) == shortest
    require_minimum_interval(recurrence, shortest, NOON)
    with pytest.raises(RecurrenceError) as refusal:
        require_minimum_interval(recurrence, shortest + timedelta(seconds=1), NOON)
    assert refusal.value.code == RecurrenceCode.CRON_TOO_FREQUENT


@settings(deadline=None)
@given(drawn=EXPRESSIONS, zone=ZONES, base=INSTANTS)
def test_next_is_later_and_nothing_lies_between(drawn: Drawn, zone: str, base: datetime) -> None:
    recurrence = legal(drawn, zone)
    following = recurrence.next_after(base)
    assert following is not None
    assert following > base
    assert_round_trip(recurrence, following)
    previous = recurrence.previous_before(following)
    assert previous is not None
    assert previous <= base
    assert recurrence.next_after(previous) == following


@settings(deadline=None)
@given(drawn=EXPRESSIONS, zone=ZONES, base=INSTANTS, share=st.floats(0, 1, exclude_max=True))
def test_every_instant_of_a_gap_between_runs_has_the_same_next(
    drawn: Drawn, zone: str, base: datetime, share: float
) -> None:
    recurrence = legal(drawn, zone)
    following = recurrence.next_after(base)
    assert following is not None
    inside = min(base + (following - base) * share, following - timedelta(microseconds=1))
    assert recurrence.next_after(inside) == following


@settings(deadline=None)
@given(drawn=FREQUENT_EXPRESSIONS, zone=ZONES, which=st.integers(0, 500), shift=SHIFTS)
def test_around_a_clock_change_every_next_is_later_and_can_be_undone(
    drawn: Drawn, zone: str, which: int, shift: timedelta
) -> None:
    changes = clock_changes(zone, 1970, 2037)
    assume(changes)
    recurrence = legal(drawn, zone)
    instant = changes[which % len(changes)] + shift
    for _ in range(5):
        following = recurrence.next_after(instant)
        assert following is not None
        assert following > instant
        previous = recurrence.previous_before(following)
        assert previous is not None
        assert recurrence.next_after(previous) == following
        instant = following


@settings(deadline=None)
@given(drawn=EXPRESSIONS, zone=ZONES, base=st.datetimes(timezones=st.just(UTC)))
def test_a_legal_recurrence_never_raises(drawn: Drawn, zone: str, base: datetime) -> None:
    recurrence = legal(drawn, zone)
    following = recurrence.next_after(base)
    previous = recurrence.previous_before(base)
    assert following is None or following > base
    assert previous is None or previous < base


@pytest.mark.parametrize("expression", ["0,20,40 0-23 * * *", "*/20 * * * *"])
def test_the_rules_of_an_instant_hold_around_every_change_of_every_zone(expression: str) -> None:
    for zone in ZONES_ONCE:
        recurrence = Recurrence.from_cron(expression, zone)
        for change in changes_of(zone):
            instant = change - 65 * MINUTE
            for _ in range(8):
                instant = assert_rules(recurrence, instant, change)


def assert_rules(recurrence: Recurrence, instant: datetime, change: datetime) -> datetime:
    """Check the next instant after this one, and return it."""
    following = recurrence.next_after(instant)
    assert following is not None, (recurrence, instant)
    assert following > instant, (recurrence, instant)
    for inside in (instant + (following - instant) / 2, following - timedelta(microseconds=1)):
        assert recurrence.next_after(inside) == following, (recurrence, inside)
    previous = recurrence.previous_before(following)
    assert previous is not None, (recurrence, following)
    assert previous <= instant, (recurrence, following)
    assert recurrence.next_after(previous) == following, (recurrence, previous)
    assert_round_trip(recurrence, following)
    local = following.astimezone(load_zone(recurrence.timezone))
    assert following == change or (local.minute % 20, local.second) == (0, 0), (recurrence, local)
    return following
