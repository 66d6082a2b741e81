"""Our instants against those of cronsim and croniter; every difference that we know has a name."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from shared.domain.local_time import load_zone
from shared.domain.recurrence import Recurrence
from shared.errors import RecurrenceError
from tests.domain.drawn import (
    ALL_ZONES,
    FREQUENT_EXPRESSIONS,
    LIVELY_ZONES,
    Drawn,
    clock_changes,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CRONSIM_CADENCE_ZONES = ("America/New_York", "Antarctica/Troll", "Europe/Dublin", "Europe/Oslo")
"""Whole hours change here, and not at midnight; elsewhere see `CRONSIM` below."""

Rival = Callable[[str, datetime], Iterator[datetime]]


def cronsim(cron: str, start: datetime) -> Iterator[datetime]:
    return (found.astimezone(UTC) for found in CronSim(cron, start))


def plain_croniter(cron: str, start: datetime) -> Iterator[datetime]:
    rival = croniter(cron, start, ret_type=datetime)
    while True:
        yield rival.get_next().astimezone(UTC)


class Difference(NamedTuple):
    name: str
    cron: str
    zone: str
    start: str
    """UTC, exclusive."""
    ours: list[str]
    theirs: list[str]
    """The next instants, UTC."""


CRONSIM = [
    Difference(
        "asked_within_the_second_copy_of_an_hour_it_answers_with_the_past",
        "30 1 * * *",
        "America/New_York",
        "2026-11-01T06:15",
        ["2026-11-02T06:30"],
        ["2026-11-01T05:30"],
    ),
    Difference(
        "where_a_gap_cuts_an_hour_in_two_it_loses_a_run",
        "45 * * * *",
        "Australia/Lord_Howe",
        "2026-10-03T14:50",
        ["2026-10-03T15:15", "2026-10-03T15:45", "2026-10-03T16:45"],
        ["2026-10-03T15:15", "2026-10-03T16:45"],
    ),
    Difference(
        "where_half_an_hour_comes_twice_it_runs_once",
        "45 * * * *",
        "Australia/Lord_Howe",
        "2026-04-04T14:20",
        ["2026-04-04T14:45", "2026-04-04T15:15", "2026-04-04T16:15"],
        ["2026-04-04T14:45", "2026-04-04T16:15"],
    ),
    Difference(
        "where_an_hour_comes_twice_in_part_it_goes_back_in_time",
        "*/15 3 * * *",
        "Pacific/Chatham",
        "2026-04-04T13:20",
        ["2026-04-04T13:30", "2026-04-04T13:45", "2026-04-04T14:15"],
        ["2026-04-04T13:30", "2026-04-04T13:45", "2026-04-04T13:15"],
    ),
    Difference(
        "where_midnight_is_skipped_a_cadence_runs_at_an_hour_that_is_not_its_own",
        "*/30 0 * * 5",
        "Africa/Cairo",
        "2026-04-23T12:00",
        ["2026-04-30T21:00", "2026-04-30T21:30"],
        ["2026-04-23T22:00", "2026-04-30T21:00"],
    ),
    Difference(
        "where_a_gap_ends_between_two_minutes_it_waits_for_the_next_one",
        "30 0 * * *",
        "Africa/Monrovia",
        "1972-01-06T12:00",
        ["1972-01-07T00:44:30", "1972-01-08T00:30"],
        ["1972-01-07T00:45", "1972-01-08T00:30"],
    ),
]
"""Not run here: `53 * * * 0` in America/St_Johns from 2004-10-30 on never answers. Clocks changed
there at 00:01."""

CRONITER = [
    Difference(
        "a_fixed_time_that_comes_twice_runs_twice",
        "30 1 * * *",
        "America/New_York",
        "2026-10-31T12:00",
        ["2026-11-01T05:30", "2026-11-02T06:30"],
        ["2026-11-01T05:30", "2026-11-01T06:30", "2026-11-02T06:30"],
    ),
    Difference(
        "what_a_cadence_loses_to_a_gap_runs_after_it",
        "*/30 0 * * *",
        "Africa/Cairo",
        "2026-04-23T06:00",
        ["2026-04-24T21:00", "2026-04-24T21:30"],
        ["2026-04-23T22:00", "2026-04-24T21:00"],
    ),
    Difference(
        "a_stepped_star_beside_a_weekday_is_read_as_or",
        "0 0 */2 * mon",
        "UTC",
        "2026-02-01T12:00",
        ["2026-02-09T00:00", "2026-02-23T00:00"],
        ["2026-02-02T00:00", "2026-02-03T00:00", "2026-02-05T00:00"],
    ),
    Difference(
        "one_weekday_as_a_range_from_seven_to_seven_is_every_day",
        "0 0 * * 7-7",
        "UTC",
        "2026-02-01T12:00",
        ["2026-02-08T00:00"],
        ["2026-02-02T00:00", "2026-02-03T00:00"],
    ),
]
READ_BY_CRONITER = [
    ("a_month_to_itself_as_every_month", "0 0 * jan-jan *", "2026-02-01T12:00", "2026-02-02T00:00"),
    ("a_reversed_range_as_one_around", "0 0 * * fri-mon", "2026-02-03T12:00", "2026-02-06T00:00"),
    (
        "a_step_beyond_the_field_as_its_start",
        "*/90 * * * *",
        "2026-02-01T12:00",
        "2026-02-01T13:00",
    ),
    ("a_question_mark_as_a_star", "0 0 ? * *", "2026-02-01T12:00", "2026-02-02T00:00"),
    ("the_weekday_nearest_a_day", "0 0 15W * *", "2026-02-01T12:00", "2026-02-16T00:00"),
    ("a_sixth_field_as_seconds", "0 0 * * * 30", "2026-02-01T12:00", "2026-02-02T00:00:30"),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def assert_differs(case: Difference, rival: Rival) -> None:
    start = utc(case.start)
    ours = Recurrence.from_cron(case.cron, case.zone).between(start, start + 30 * DAY, 9)
    theirs = rival(case.cron, start.astimezone(load_zone(case.zone)))
    assert ours[: len(case.ours)] == [utc(run) for run in case.ours]
    assert list(islice(theirs, len(case.theirs))) == [utc(run) for run in case.theirs]


@pytest.mark.parametrize("case", CRONSIM, ids=lambda case: case.name)
def test_where_we_differ_from_cronsim(case: Difference) -> None:
    assert_differs(case, cronsim)


@pytest.mark.parametrize("case", CRONITER, ids=lambda case: case.name)
def test_where_we_differ_from_croniter(case: Difference) -> None:
    assert_differs(case, plain_croniter)


@pytest.mark.parametrize(
    ("cron", "start", "theirs"),
    [row[1:] for row in READ_BY_CRONITER],
    ids=[row[0] for row in READ_BY_CRONITER],
)
def test_what_croniter_reads_and_we_refuse(cron: str, start: str, theirs: str) -> None:
    assert next(plain_croniter(cron, utc(start))) == utc(theirs)
    with pytest.raises(RecurrenceError):
        Recurrence.from_cron(cron, "UTC")


def legal(drawn: Drawn, zone: str) -> Recurrence:
    try:
        return Recurrence.from_cron(drawn.text, zone)
    except RecurrenceError:
        reject()


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
    assume(zone in CRONSIM_CADENCE_ZONES or not drawn.keeps_cadence)
    changes = clock_changes(zone, 1995, 2037)
    base = (changes[which % len(changes)] if changes else NOON) + shift
    here = base.astimezone(load_zone(zone))
    assume(here.fold == 0)
    ours = legal(drawn, zone).between(base, base + 400 * DAY, 4)
    assert ours == list(islice(cronsim(drawn.text, here), len(ours)))


@settings(max_examples=400, deadline=None)
@given(
    drawn=FREQUENT_EXPRESSIONS,
    zone=st.sampled_from(ALL_ZONES),
    base=st.datetimes(datetime(1995, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 (made aware below)
)
def test_croniter_names_the_same_instants_away_from_clock_changes(
    drawn: Drawn, zone: str, base: datetime
) -> None:
    day, weekday = drawn.text.split()[2::2]
    either = not (day.startswith("*") or weekday.startswith("*"))
    start = base.replace(tzinfo=UTC)
    ours = legal(drawn, zone).between(start, start + 400 * DAY, 4)
    first, last = start - DAY, ours[-1] + DAY
    assume(not any(first < change < last for change in clock_changes(zone, 1994, 2037)))
    here = start.astimezone(load_zone(zone))
    rival = croniter(drawn.text, here, ret_type=datetime, day_or=either)
    assert ours == [rival.get_next().astimezone(UTC) for _ in ours]
