from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from shared.domain import recurrence as module
from shared.domain.recurrence import Recurrence, require_minimum_interval, shortest_interval
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError
from tests.domain.drawn import (
    ALL_ZONES,
    EXPRESSIONS,
    FREQUENT_EXPRESSIONS,
    INSTANTS,
    LIVELY_ZONES,
    MINUTE,
    Drawn,
    clock_changes,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NIGHTLY = Recurrence.from_cron("0 2 * * *", "UTC")
ZONES = st.sampled_from(ALL_ZONES)
SHIFTS = st.timedeltas(timedelta(hours=-3), timedelta(hours=3))
CRONSIM_CADENCE_ZONES = ("America/New_York", "Antarctica/Troll", "Europe/Dublin", "Europe/Oslo")


def legal(drawn: Drawn, zone: str) -> Recurrence:
    try:
        return Recurrence.from_cron(drawn.text, zone)
    except RecurrenceError as error:
        if error.code == RecurrenceCode.CRON_NEVER_FIRES:
            reject()
        raise


def test_due_exactly_at_two_and_not_a_minute_later() -> None:
    two = datetime(2026, 6, 2, 2, tzinfo=UTC)
    assert NIGHTLY.next_after(two - timedelta(microseconds=1)) == two
    assert NIGHTLY.next_after(two) == two + timedelta(days=1)
    assert NIGHTLY.previous_before(two + timedelta(microseconds=1)) == two
    assert NIGHTLY.previous_before(two) == two - timedelta(days=1)


def test_any_aware_instant_is_accepted_and_utc_is_answered() -> None:
    elsewhere = timezone(timedelta(hours=-7, minutes=-30))
    for zone in (UTC, elsewhere, ZoneInfo("Asia/Tokyo")):
        found = NIGHTLY.next_after(NOON.astimezone(zone))
        assert found == datetime(2026, 6, 2, 2, tzinfo=UTC)
        assert found is not None
        assert found.tzinfo is UTC


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
    local = following.astimezone(ZoneInfo(zone))
    assert local.astimezone(UTC) == following
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


@settings(max_examples=400, deadline=None)
@given(
    drawn=FREQUENT_EXPRESSIONS,
    zone=st.sampled_from(LIVELY_ZONES),
    which=st.integers(0, 500),
    shift=st.timedeltas(timedelta(hours=-30), timedelta(hours=6)),
)
def test_cronsim_names_the_same_instants_around_clock_changes(
    drawn: Drawn, zone: str, which: int, shift: timedelta
) -> None:
    # Where an hour is cut in two or midnight is skipped, cronsim 2.8 names instants that do not
    # match fields with a star, or never answers; the search of every minute judges us there.
    assume(zone in CRONSIM_CADENCE_ZONES or not drawn.keeps_cadence)
    changes = clock_changes(zone, 1995, 2037)
    base = (changes[which % len(changes)] if changes else NOON) + shift
    here = base.astimezone(ZoneInfo(zone))
    # From inside the second copy of an hour cronsim answers with the past.
    assume(here.fold == 0)
    recurrence = legal(drawn, zone)
    rival = CronSim(drawn.text, here)
    ours = base
    for _ in range(4):
        theirs = next(rival).astimezone(UTC)
        while theirs == ours:  # it names an instant once for each skipped time; we once
            theirs = next(rival).astimezone(UTC)
        following = recurrence.next_after(ours)
        assert following == theirs
        ours = theirs
