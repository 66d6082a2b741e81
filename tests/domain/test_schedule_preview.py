from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.preview import ClockNoteKind
from shared.domain.run import Reason
from shared.domain.schedule import UNTIL_RESUMED, BlackoutPolicy, Schedule, build_recurrence
from shared.domain.schedule_preview import Fate, SchedulePreview, preview_schedule
from tests.domain.schedule_values import (
    HOUR,
    MANUAL,
    OFFSET,
    REALTIME,
    cron,
    days,
    hours,
    oslo,
    schedule,
)

NOW = oslo("2026-03-02 12:00")
HOURLY = cron("0 * * * *")


def preview(wanted: Schedule, count: int = 4) -> SchedulePreview:
    return preview_schedule(wanted, build_recurrence(wanted.recurrence), NOW, count)


def shown(previewed: SchedulePreview) -> list[tuple[str, str | None]]:
    """Return each period's local time with its start or the reason why it is skipped."""
    return [
        (
            f"{item.period_local:%H:%M}",
            item.reason if item.starts_local is None else f"{item.starts_local:%H:%M:%S}",
        )
        for item in previewed.items
    ]


def test_a_preview_has_the_words_and_the_coming_periods_in_utc_and_in_the_zone() -> None:
    result = preview(schedule(NOW), 2)
    assert result.description == "At 02:00 (Europe/Oslo)"
    first, second = result.items
    assert first.period_at == first.starts_at == oslo("2026-03-03 02:00")
    assert first.period_local.isoformat() == "2026-03-03T02:00:00+01:00"
    assert first.starts_local == first.period_local
    assert (first.fate, first.reason, first.clock_notes) == (Fate.RUN, None, ())
    assert second.period_at == oslo("2026-03-04 02:00")


def test_a_period_that_has_a_row_already_is_shown_like_any_other() -> None:
    assert preview(schedule(NOW + timedelta(days=2))) == preview(schedule(NOW))


def test_spread_moves_the_starts_and_not_the_periods() -> None:
    [first] = preview(schedule(NOW, spread=HOUR), 1).items
    assert first.starts_at == first.starts_local == first.period_at + OFFSET


def test_periods_before_the_end_of_a_pause_are_skipped() -> None:
    paused = schedule(NOW, recurrence=HOURLY, paused_until=oslo("2026-03-02 15:00"))
    assert shown(preview(paused)) == [
        ("13:00", Reason.PAUSED),
        ("14:00", Reason.PAUSED),
        ("15:00", "15:00:00"),
        ("16:00", "16:00:00"),
    ]


def test_a_pause_that_only_a_person_ends_skips_all() -> None:
    paused = schedule(NOW, recurrence=HOURLY, paused_until=UNTIL_RESUMED)
    assert {item.reason for item in preview(paused, 100).items} == {Reason.PAUSED}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            BlackoutPolicy.SKIP,
            [
                ("13:00", Reason.BLACKOUT),
                ("14:00", Reason.BLACKOUT),
                ("15:00", "15:00:00"),
                ("16:00", "16:00:00"),
            ],
        ),
        (
            BlackoutPolicy.MOVE,
            [
                ("13:00", Reason.COALESCED),
                ("14:00", "14:30:00"),
                ("15:00", "15:00:00"),
                ("16:00", "16:00:00"),
            ],
        ),
    ],
)
def test_periods_in_a_blackout_are_skipped_or_moved(
    policy: BlackoutPolicy, expected: list[tuple[str, str | None]]
) -> None:
    windows = (hours("12:30", "14:30"),)
    wanted = schedule(NOW, recurrence=HOURLY, blackouts=windows, blackout_policy=policy)
    assert shown(preview(wanted)) == expected


def test_a_connector_that_cannot_be_used_runs_nothing() -> None:
    unusable = schedule(NOW, connector_is_usable=False)
    assert {item.reason for item in preview(unusable).items} == {Reason.CONNECTOR_UNAVAILABLE}


def test_a_period_that_a_clock_change_touches_says_so() -> None:
    spring = schedule(NOW, recurrence=cron("30 2 29 3 *"))
    [item] = preview(spring, 1).items
    [note] = item.clock_notes
    assert note.kind is ClockNoteKind.MOVED
    assert "02:30 does not exist on 29 March 2026" in note.text
    assert item.period_local.isoformat() == "2026-03-29T03:00:00+02:00"


@pytest.mark.parametrize(
    ("recurrence", "description"),
    [
        (MANUAL, "Runs when it is triggered."),
        (REALTIME, "Runs when the source reports a change."),
    ],
    ids=["manual", "realtime"],
)
def test_a_schedule_without_a_recurrence_has_no_periods(
    recurrence: object, description: str
) -> None:
    assert preview(schedule(NOW, recurrence=recurrence)) == SchedulePreview(description, ())


def test_a_recurrence_whose_times_no_clock_shows_has_no_periods() -> None:
    assert preview(schedule(NOW, recurrence=cron("* 2 * 3 sun#5"))).items == ()


@pytest.mark.parametrize("count", [0, 101])
def test_a_preview_shows_1_to_100_periods(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        preview(schedule(NOW), count)


@settings(deadline=None)
@given(
    expression=st.sampled_from(["* * * * *", "*/20 * * * *", "0 2 * * *", "0 2 29 2 *"]),
    policy=st.sampled_from(BlackoutPolicy),
    spread=st.sampled_from([timedelta(0), HOUR]),
    count=st.integers(1, 100),
)
def test_every_period_is_shown_once_with_either_a_start_or_a_reason(
    expression: str, policy: BlackoutPolicy, spread: timedelta, count: int
) -> None:
    wanted = schedule(
        NOW,
        recurrence=cron(expression),
        blackouts=(hours("22:00", "06:00"), days("2026-03-03", "2026-03-04")),
        blackout_policy=policy,
        spread=spread,
    )
    items = preview(wanted, count).items
    assert len(items) == count
    assert [item.period_at for item in items] == sorted({item.period_at for item in items})
    for item in items:
        assert (item.fate is Fate.RUN) == (item.reason is None) == (item.starts_at is not None)
        assert item.starts_at == item.starts_local
        assert item.starts_at is None or item.starts_at >= item.period_at
