from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain.local_time import load_zone
from shared.domain.preview import ClockNote, ClockNoteKind, PreviewInstant
from shared.domain.recurrence import MAX_PREVIEW, Recurrence
from tests.domain.drawn import FREQUENT_EXPRESSIONS, LIVELY_ZONES, MINUTE, Drawn, clock_changes
from tests.domain.preview_cases import MERGED, MOVED, REPEATED, SKIPPED, Case

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NIGHTLY = Recurrence.from_cron("30 2 * * *", "Europe/Oslo")


def assert_noted(case: Case, kind: ClockNoteKind) -> None:
    start = datetime.fromisoformat(case.start).replace(tzinfo=UTC)
    shown = Recurrence.from_cron(case.cron, case.zone).preview(start, MAX_PREVIEW)
    noted = {
        instant.period_local.isoformat(): instant.clock_notes
        for instant in shown
        if instant.clock_notes and instant.period_at <= start + timedelta(days=2)
    }
    local = datetime.fromisoformat(case.local).isoformat()
    assert noted == {local: (ClockNote(kind, case.sentence),)}


@pytest.mark.parametrize("case", MOVED, ids=lambda case: case.name)
def test_a_fixed_time_that_does_not_exist_is_said_to_run_after_the_gap(case: Case) -> None:
    assert_noted(case, ClockNoteKind.MOVED)


@pytest.mark.parametrize("case", MERGED, ids=lambda case: case.name)
def test_fixed_times_that_share_the_run_after_a_gap_are_said_to(case: Case) -> None:
    assert_noted(case, ClockNoteKind.MERGED)


@pytest.mark.parametrize("case", SKIPPED, ids=lambda case: case.name)
def test_the_times_that_a_cadence_lost_are_told_on_the_next_instant(case: Case) -> None:
    assert_noted(case, ClockNoteKind.SKIPPED)


@pytest.mark.parametrize("case", REPEATED, ids=lambda case: case.name)
def test_a_fixed_time_that_comes_twice_is_said_to_run_once(case: Case) -> None:
    assert_noted(case, ClockNoteKind.REPEATED)


def test_an_instant_of_a_cadence_says_which_of_its_two_runs_it_is() -> None:
    half_hourly = Recurrence.from_cron("*/30 * * * *", "Europe/Oslo")
    shown = half_hourly.preview(datetime(2026, 10, 24, 23, 45, tzinfo=UTC), 5)
    twice = "comes twice on 25 October 2026, when the clock goes back from 03:00 to 02:00"
    assert [(note.kind, note.text) for instant in shown for note in instant.clock_notes] == [
        (ClockNoteKind.REPEATED, f"02:00 {twice}: this is the first of the two."),
        (ClockNoteKind.REPEATED, f"02:30 {twice}: this is the first of the two."),
        (ClockNoteKind.REPEATED, f"02:00 {twice}: this is the second of the two."),
        (ClockNoteKind.REPEATED, f"02:30 {twice}: this is the second of the two."),
    ]


def test_an_instant_has_a_note_for_each_gap_since_the_one_before() -> None:
    sundays = Recurrence.from_cron("*/30 2 29-30 3,4 */7", "Europe/Oslo")
    (instant,) = sundays.preview(datetime(2027, 1, 1, tzinfo=UTC), 1)
    assert instant.period_local.isoformat() == "2028-04-30T02:00:00+02:00"
    assert [note.text for note in instant.clock_notes] == [
        f"02:00 and 02:30 do not exist on {day}, when the clock goes from 02:00 to 03:00: "
        "they are skipped."
        for day in ("30 March 2025", "29 March 2026")
    ]


def test_the_note_of_an_instant_does_not_hang_on_when_it_is_asked_for() -> None:
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    for cron in ("30 2 * * *", "*/15 * * * *", "*/15 2 * * *"):
        recurrence = Recurrence.from_cron(cron, "Europe/Oslo")
        (noted,) = [
            instant
            for instant in recurrence.preview(change - timedelta(hours=1), 10)
            if instant.clock_notes
        ]
        assert recurrence.preview(noted.period_at - timedelta(seconds=1), 1) == [noted]


def test_a_preview_shows_the_next_instants_nominal_and_with_spread() -> None:
    offset = timedelta(minutes=7, seconds=3)
    shown = NIGHTLY.preview(NOON, 3, offset=offset)
    assert [instant.period_at for instant in shown] == NIGHTLY.between(
        NOON, NOON + timedelta(days=3), 10
    )
    assert [asdict(instant) for instant in shown[:1]] == [
        {
            "period_at": datetime(2026, 6, 2, 0, 30, tzinfo=UTC),
            "starts_at": datetime(2026, 6, 2, 0, 37, 3, tzinfo=UTC),
            "period_local": datetime(2026, 6, 2, 2, 30, tzinfo=load_zone("Europe/Oslo")),
            "starts_local": datetime(2026, 6, 2, 2, 37, 3, tzinfo=load_zone("Europe/Oslo")),
            "clock_notes": (),
        }
    ]
    for instant in shown:
        assert instant.starts_at - instant.period_at == offset
        assert instant.period_at.tzinfo is instant.starts_at.tzinfo is UTC
        assert instant.period_local.tzinfo is instant.starts_local.tzinfo
        assert instant.period_local.tzinfo is load_zone("Europe/Oslo")


def test_without_a_spread_an_instant_starts_at_its_period() -> None:
    (instant,) = NIGHTLY.preview(NOON, 1)
    assert instant.starts_at == instant.period_at


@pytest.mark.parametrize("count", [-1, 0, MAX_PREVIEW + 1, 10**9])
def test_a_preview_of_too_few_or_too_many_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        NIGHTLY.preview(NOON, count)


def test_a_preview_from_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        NIGHTLY.preview(NOON.replace(tzinfo=None), 1)


def test_a_preview_ends_where_the_calendar_does() -> None:
    start = datetime(9999, 12, 29, 12, tzinfo=UTC)
    daily = Recurrence.from_cron("0 0 * * *", "UTC")
    assert len(daily.preview(start, 5)) == 2
    assert len(daily.preview(start, 5, offset=timedelta(days=1))) == 1
    assert daily.preview(start + timedelta(days=2), 5) == []


@settings(max_examples=150, deadline=None)
@given(
    drawn=FREQUENT_EXPRESSIONS,
    zone=st.sampled_from(LIVELY_ZONES),
    which=st.integers(0, 500),
    minutes=st.integers(-300, 100),
)
def test_the_notes_are_those_of_a_search_of_every_minute(
    drawn: Drawn, zone: str, which: int, minutes: int
) -> None:
    changes = clock_changes(zone, 1970, 2037)
    assume(changes)
    start = changes[which % len(changes)] + minutes * MINUTE
    recurrence = Recurrence.from_cron(drawn.text, zone)
    shown = recurrence.preview(start, 5)
    previous = recurrence.previous_before(shown[0].period_at)
    assert previous is not None
    assume(shown[-1].period_at - previous < timedelta(days=3))
    for earlier, instant in pairwise([previous, *shown]):
        before = earlier.period_at if isinstance(earlier, PreviewInstant) else earlier
        kinds = sorted(note.kind for note in instant.clock_notes)
        assert kinds == sorted(expected_kinds(drawn, load_zone(zone), before, instant.period_at))


def expected_kinds(
    drawn: Drawn, zone: ZoneInfo, previous: datetime, period_at: datetime
) -> Iterator[ClockNoteKind]:
    wall = period_at.astimezone(zone).replace(tzinfo=None, fold=0)
    before = previous.astimezone(zone).replace(tzinfo=None, fold=0)
    matching = filter(drawn.matches, minutes_between(before, wall))
    lost = [local for local in matching if not copies(local, zone)]
    if lost and drawn.keeps_cadence:
        yield ClockNoteKind.SKIPPED
    elif lost:
        alone = len(lost) == 1 and not drawn.matches(wall)
        yield ClockNoteKind.MOVED if alone else ClockNoteKind.MERGED
    if len(copies(wall, zone)) == 2:
        yield ClockNoteKind.REPEATED


def minutes_between(start: datetime, end: datetime) -> Iterator[datetime]:
    local = start.replace(second=0) + MINUTE
    while local < end:
        yield local
        local += MINUTE


def copies(local: datetime, zone: ZoneInfo) -> set[datetime]:
    instants = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return {
        instant
        for instant in instants
        if instant.astimezone(zone).replace(tzinfo=None, fold=0) == local
    }
