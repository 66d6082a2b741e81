from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain.local_time import load_zone
from shared.domain.recurrence import Recurrence
from tests.domain.clock_cases import GAPS, OVERLAPS, PARTIAL_HOURS, Case
from tests.domain.drawn import (
    ALL_ZONES,
    FREQUENT_EXPRESSIONS,
    LIVELY_ZONES,
    MINUTE,
    Drawn,
    clock_changes,
    oracle,
)

FIXED = Drawn("0,20,40 0-4 * * *", lambda at: at.minute % 20 == 0 and at.hour < 5, False)
CADENCE = Drawn("*/20 0-4 * * *", lambda at: at.minute % 20 == 0 and at.hour < 5, True)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("case", GAPS, ids=lambda case: case.name)
def test_a_skipped_time_runs_at_the_first_instant_after_the_gap(case: Case) -> None:
    assert_runs(case)


@pytest.mark.parametrize("case", OVERLAPS, ids=lambda case: case.name)
def test_a_repeated_time_runs_once_at_its_first_copy(case: Case) -> None:
    assert_runs(case)


@pytest.mark.parametrize("case", PARTIAL_HOURS, ids=lambda case: case.name)
def test_offsets_of_partial_hours_are_exact(case: Case) -> None:
    assert_runs(case)


def assert_runs(case: Case) -> None:
    recurrence = Recurrence.from_cron(case.cron, case.zone)
    expected = [utc(run) for run in case.runs]
    assert recurrence.between(utc(case.start), expected[-1], len(expected) + 1) == expected
    for previous, run in pairwise(expected):
        assert recurrence.previous_before(run) == previous


@pytest.mark.parametrize("zone", sorted(set(LIVELY_ZONES) - {"Pacific/Apia"}))
def test_a_daily_run_comes_once_on_every_local_day_of_a_decade(zone: str) -> None:
    start = datetime(2018, 1, 1, tzinfo=load_zone(zone))
    end = datetime(2028, 1, 1, tzinfo=load_zone(zone))
    runs = Recurrence.from_cron("30 2 * * *", zone).between(start, end, 5000)
    days = {run.astimezone(load_zone(zone)).date() for run in runs}
    assert len(runs) == len(days) == (end.date() - start.date()).days


@pytest.mark.parametrize("drawn", [FIXED, CADENCE], ids=["fixed", "cadence"])
def test_every_zone_agrees_with_a_search_of_every_minute_around_its_last_change(
    drawn: Drawn,
) -> None:
    # Many names are links to one zone: each history is searched once.
    zones = {tuple(clock_changes(zone, 2000, 2027)): zone for zone in ALL_ZONES}
    for changes, zone in zones.items():
        if changes:
            assert_agrees_with_every_minute(drawn, zone, changes[-1] + 50 * MINUTE)


@settings(max_examples=150, deadline=None)
@given(
    drawn=FREQUENT_EXPRESSIONS,
    zone=st.sampled_from(ALL_ZONES),
    which=st.integers(0, 500),
    shift=st.integers(-400, 400),
)
def test_all_of_history_agrees_with_a_search_of_every_minute(
    drawn: Drawn, zone: str, which: int, shift: int
) -> None:
    changes = clock_changes(zone)
    assume(changes)
    assert_agrees_with_every_minute(drawn, zone, changes[which % len(changes)] + shift * MINUTE)


def assert_agrees_with_every_minute(drawn: Drawn, zone: str, middle: datetime) -> None:
    start, end = middle - timedelta(hours=3), middle + timedelta(hours=5)
    recurrence = Recurrence.from_cron(drawn.text, zone)
    expected = oracle(drawn, zone, start, end)
    assert recurrence.between(start, end, 1000) == expected, zone
    backwards: list[datetime] = []
    previous = recurrence.previous_before(end + timedelta(seconds=1))
    while previous is not None and previous > start:
        backwards.append(previous)
        previous = recurrence.previous_before(previous)
    assert backwards[::-1] == expected, zone
