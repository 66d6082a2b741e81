from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.blackout import BlackoutWindow, WeeklyHours
from shared.domain.plan import MAX_PERIODS, MAX_SINGLE_SKIPS, Plan, plan
from shared.domain.presets import WEEKDAYS
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason
from shared.domain.schedule import (
    UNTIL_RESUMED,
    BlackoutPolicy,
    Frequency,
    MissedRunPolicy,
    RecurrenceFields,
    Schedule,
)
from tests.factories import at

EVERY_MINUTE = Recurrence.from_cron("* * * * *", "UTC")
HOURLY = Recurrence.from_cron("0 * * * *", "UTC")
LOOK_AHEAD = timedelta(seconds=90)
CONNECTOR = UUID(int=7)


def make(mark: datetime, **values: object) -> Schedule:
    wanted = {
        "id": 1,
        "workspace_id": 1,
        "connector_id": 1,
        "connector_public_id": CONNECTOR,
        "connector_is_usable": True,
        "recurrence": RecurrenceFields(Frequency.CUSTOM, "UTC", cron_expression="* * * * *"),
        "missed_run_policy": MissedRunPolicy.RUN_ONCE,
        "catch_up_window": timedelta(days=1),
        "spread": timedelta(0),
        "blackout_policy": BlackoutPolicy.SKIP,
        "blackouts": (),
        "paused_until": None,
        "planned_through": mark,
        **values,
    }
    return Schedule(**wanted)


def fates(decided: Plan) -> list[tuple[str, str | None]]:
    return [(f"{one.period_at:%H:%M}", one.reason) for one in decided.periods]


def test_periods_up_to_the_look_ahead_become_runs() -> None:
    decided = plan(make(at("02:00")), EVERY_MINUTE, at("02:00:30"), LOOK_AHEAD)
    assert fates(decided) == [("02:01", None), ("02:02", None)]
    assert decided.planned_through == at("02:02")
    assert decided.next_scheduled_at == at("02:03")


def test_due_exactly_at_its_instant_and_not_a_minute_later() -> None:
    daily = Recurrence.from_cron("0 2 * * *", "UTC")
    before = plan(make(at("01:00")), daily, at("01:59"), timedelta(minutes=1))
    assert fates(before) == [("02:00", None)]
    after = plan(make(at("02:00")), daily, at("02:01"), LOOK_AHEAD)
    assert fates(after) == []


def test_the_31st_is_not_planned_on_30_november() -> None:
    monthly = Recurrence.from_cron("0 2 31 * *", "UTC")
    mark = at("00:00", day="2026-11-29")
    decided = plan(make(mark), monthly, at("23:59", day="2026-11-30"), LOOK_AHEAD)
    assert fates(decided) == []
    assert decided.next_scheduled_at == at("02:00", day="2026-12-31")


def test_run_once_runs_only_the_newest_missed_period() -> None:
    decided = plan(make(at("00:30")), HOURLY, at("03:30"), LOOK_AHEAD)
    assert fates(decided) == [
        ("01:00", Reason.COALESCED),
        ("02:00", Reason.COALESCED),
        ("03:00", None),
    ]


def test_run_once_runs_nothing_older_than_its_window() -> None:
    schedule = make(at("00:30"), catch_up_window=timedelta(minutes=45))
    decided = plan(schedule, HOURLY, at("03:50"), LOOK_AHEAD)
    assert {reason for _, reason in fates(decided)} == {Reason.MISSED_WINDOW}


def test_run_all_runs_every_missed_period_in_its_window() -> None:
    schedule = make(
        at("00:30"),
        missed_run_policy=MissedRunPolicy.RUN_ALL,
        catch_up_window=timedelta(hours=2),
    )
    decided = plan(schedule, HOURLY, at("03:30"), LOOK_AHEAD)
    assert fates(decided) == [("01:00", Reason.MISSED_WINDOW), ("02:00", None), ("03:00", None)]


def test_skip_runs_only_what_is_late_by_less_than_a_tick() -> None:
    schedule = make(at("00:30"), missed_run_policy=MissedRunPolicy.SKIP)
    decided = plan(schedule, HOURLY, at("03:00:59"), LOOK_AHEAD)
    assert fates(decided) == [
        ("01:00", Reason.MISSED_WINDOW),
        ("02:00", Reason.MISSED_WINDOW),
        ("03:00", None),
    ]


def test_a_paused_schedule_skips_its_periods_and_moves_its_mark() -> None:
    schedule = make(at("02:00"), paused_until=at("02:02"))
    decided = plan(schedule, EVERY_MINUTE, at("02:00:45"), LOOK_AHEAD)
    assert fates(decided) == [("02:01", Reason.PAUSED), ("02:02", None)]
    assert decided.next_scheduled_at == at("02:03")


def test_periods_of_a_connector_that_cannot_be_used_are_skipped_with_that_reason() -> None:
    decided = plan(
        make(at("02:00"), connector_is_usable=False), EVERY_MINUTE, at("02:00:30"), LOOK_AHEAD
    )
    assert {reason for _, reason in fates(decided)} == {Reason.CONNECTOR_UNAVAILABLE}


def test_a_long_gap_has_one_row_with_a_count_and_then_single_ones() -> None:
    away = timedelta(minutes=300)
    decided = plan(make(at("02:00")), EVERY_MINUTE, at("02:00") + away, LOOK_AHEAD)
    skipped = [one for one in decided.periods if one.reason]
    assert len(skipped) == MAX_SINGLE_SKIPS + 1
    assert skipped[0].count == 299 - MAX_SINGLE_SKIPS
    assert sum(one.count for one in decided.periods) == 301


def test_a_very_long_gap_is_decided_in_passes_and_runs_once() -> None:
    schedule, now = make(at("00:00")), at("00:00") + timedelta(minutes=2 * MAX_PERIODS)
    runs, covered, passes = [], 0, 0
    while True:
        decided = plan(schedule, EVERY_MINUTE, now, LOOK_AHEAD)
        runs += [one for one in decided.periods if one.reason is None and one.period_at <= now]
        covered += sum(one.count for one in decided.periods)
        passes += 1
        if decided.next_scheduled_at > now + LOOK_AHEAD:
            break
        schedule = make(decided.planned_through)
    assert passes == 3
    assert [one.period_at for one in runs] == [now]
    assert covered == 2 * MAX_PERIODS + 1


def test_spread_moves_the_start_and_not_the_period_or_its_key() -> None:
    plain = plan(make(at("02:00")), EVERY_MINUTE, at("02:00:30"), LOOK_AHEAD).periods
    spread = plan(
        make(at("02:00"), spread=timedelta(hours=1)), EVERY_MINUTE, at("02:00:30"), LOOK_AHEAD
    ).periods
    assert [one.idempotency_key for one in plain] == [one.idempotency_key for one in spread]
    offsets = {one.not_before_at - one.period_at for one in spread}
    assert len(offsets) == 1
    assert timedelta(0) <= offsets.pop() < timedelta(hours=1)


def test_the_row_of_a_folded_gap_names_its_first_and_its_last_period() -> None:
    decided = plan(make(at("00:30")), HOURLY, at("03:30"), LOOK_AHEAD, single_skips=0)
    [gap, run] = decided.periods
    assert (gap.period_at, gap.last_period_at, gap.count) == (at("01:00"), at("02:00"), 2)
    assert gap.reason is Reason.COALESCED
    assert (run.period_at, run.last_period_at, run.count) == (at("03:00"), None, 1)


def test_a_single_skipped_period_names_no_last_one() -> None:
    decided = plan(make(at("01:30")), HOURLY, at("03:30"), LOOK_AHEAD, single_skips=0)
    assert [(one.count, one.last_period_at) for one in decided.periods] == [(1, None), (1, None)]


def test_skips_on_both_sides_of_a_run_do_not_share_a_row() -> None:
    schedule = make(
        at("00:30"),
        missed_run_policy=MissedRunPolicy.RUN_ALL,
        blackouts=(hours("01:30", "03:30"), hours("04:30", "06:30")),
    )
    decided = plan(schedule, HOURLY, at("07:30"), LOOK_AHEAD, single_skips=0)
    assert [(f"{one.period_at:%H:%M}", one.reason, one.count) for one in decided.periods] == [
        ("01:00", None, 1),
        ("02:00", Reason.BLACKOUT, 2),
        ("04:00", None, 1),
        ("05:00", Reason.BLACKOUT, 2),
        ("07:00", None, 1),
    ]


def test_a_pause_without_an_end_skips_every_period() -> None:
    schedule = make(at("02:00"), paused_until=UNTIL_RESUMED)
    decided = plan(schedule, EVERY_MINUTE, at("02:00:45"), LOOK_AHEAD)
    assert fates(decided) == [("02:01", Reason.PAUSED), ("02:02", Reason.PAUSED)]


def hours(starts: str, ends: str) -> BlackoutWindow:
    return BlackoutWindow("closing", "UTC", WeeklyHours(frozenset(WEEKDAYS), starts, ends))


def starts(decided: Plan) -> list[tuple[str, str | None]]:
    return [(f"{one.not_before_at:%H:%M}", one.reason) for one in decided.periods]


def move(**values: object) -> Schedule:
    wanted = {"blackout_policy": BlackoutPolicy.MOVE, "blackouts": (hours("02:30", "05:30"),)}
    return make(at("02:15"), **{**wanted, **values})


def test_periods_in_a_blackout_window_are_skipped_and_its_end_is_outside() -> None:
    schedule = make(at("01:15"), blackouts=(hours("02:00", "04:00"),))
    decided = plan(schedule, HOURLY, at("01:15"), timedelta(hours=3))
    assert fates(decided) == [
        ("02:00", Reason.BLACKOUT),
        ("03:00", Reason.BLACKOUT),
        ("04:00", None),
    ]


def test_the_newest_period_in_a_window_is_moved_to_its_end_and_stands_for_the_others() -> None:
    decided = plan(move(), HOURLY, at("02:15"), timedelta(hours=4))
    assert fates(decided) == [
        ("03:00", Reason.COALESCED),
        ("04:00", Reason.COALESCED),
        ("05:00", None),
        ("06:00", None),
    ]
    assert [start for start, reason in starts(decided) if reason is None] == ["05:30", "06:00"]


def test_a_period_at_the_end_of_a_window_stands_for_those_within() -> None:
    schedule = move(blackouts=(hours("02:30", "05:00"),))
    decided = plan(schedule, HOURLY, at("02:15"), timedelta(hours=3))
    assert fates(decided) == [
        ("03:00", Reason.COALESCED),
        ("04:00", Reason.COALESCED),
        ("05:00", None),
    ]


def test_run_all_moves_every_period_in_a_window() -> None:
    schedule = move(missed_run_policy=MissedRunPolicy.RUN_ALL)
    decided = plan(schedule, HOURLY, at("02:15"), timedelta(hours=3))
    assert starts(decided) == [("05:30", None), ("05:30", None), ("05:30", None)]


def test_a_moved_run_keeps_its_period_its_key_and_its_spread() -> None:
    decided = plan(move(spread=timedelta(minutes=20)), HOURLY, at("02:15"), timedelta(hours=3))
    [run] = [one for one in decided.periods if one.reason is None]
    assert run.period_at == at("05:00")
    assert run.idempotency_key == f"{CONNECTOR}:2026-03-02T05:00:00Z"
    assert at("05:30") <= run.not_before_at < at("05:50")


@pytest.mark.parametrize("policy", BlackoutPolicy)
def test_a_start_that_spread_or_lateness_carries_into_a_window_waits_for_its_end(
    policy: BlackoutPolicy,
) -> None:
    offset = plan(make(at("01:15"), spread=timedelta(hours=1)), HOURLY, at("01:15"), LOOK_AHEAD)
    assert offset.periods == ()
    values = {"blackout_policy": policy, "blackouts": (hours("02:01", "03:59"),)}
    spread = plan(
        make(at("01:59"), spread=timedelta(hours=1), **values), HOURLY, at("01:59:30"), LOOK_AHEAD
    )
    late = plan(make(at("01:59"), **values), HOURLY, at("02:20"), LOOK_AHEAD)
    assert starts(spread) == starts(late) == [("03:59", None)]


def test_a_window_without_an_end_skips_whatever_the_policy() -> None:
    schedule = move(blackouts=(hours("00:00", "24:00"),))
    decided = plan(schedule, HOURLY, at("02:15"), timedelta(hours=1))
    assert fates(decided) == [("03:00", Reason.BLACKOUT)]


def test_after_an_outage_the_newest_period_outside_the_windows_is_run() -> None:
    schedule = make(at("00:30"), blackouts=(hours("03:30", "05:30"),))
    decided = plan(schedule, HOURLY, at("05:40"), LOOK_AHEAD)
    assert fates(decided) == [
        ("01:00", Reason.COALESCED),
        ("02:00", Reason.COALESCED),
        ("03:00", None),
        ("04:00", Reason.BLACKOUT),
        ("05:00", Reason.BLACKOUT),
    ]


def test_the_newest_period_outside_the_windows_is_run_also_when_a_later_pass_has_none() -> None:
    closing = (hours("16:40", "23:00"),)
    schedule = make(at("00:00"), blackouts=closing)
    now, passes = at("16:45"), []
    while not passes or not passes[-1].is_whole:
        passes.append(plan(schedule, EVERY_MINUTE, now, timedelta(0)))
        schedule = make(passes[-1].planned_through, blackouts=closing)
    runs = [one for decided in passes for one in decided.periods if one.reason is None]
    # In a window now, so that it waits for the end.
    assert [(one.period_at, one.not_before_at) for one in runs] == [(at("16:39"), at("23:00"))]
    assert len(passes) == 2


def test_a_moved_period_is_late_only_after_the_end_of_its_window() -> None:
    schedule = move(missed_run_policy=MissedRunPolicy.SKIP, catch_up_window=timedelta(0))
    decided = plan(schedule, HOURLY, at("05:02"), timedelta(0))
    assert fates(decided) == [
        ("03:00", Reason.COALESCED),
        ("04:00", Reason.COALESCED),
        ("05:00", None),
    ]
    late = plan(schedule, HOURLY, at("05:40"), timedelta(0))
    assert {reason for _, reason in fates(late)} == {Reason.MISSED_WINDOW}


def test_periods_to_come_never_share_a_row() -> None:
    schedule = make(at("00:30"), paused_until=UNTIL_RESUMED)
    decided = plan(schedule, HOURLY, at("03:30"), timedelta(hours=2), single_skips=0)
    assert [(f"{one.period_at:%H:%M}", one.count) for one in decided.periods] == [
        ("01:00", 3),
        ("04:00", 1),
        ("05:00", 1),
    ]


def test_no_more_periods_are_decided_than_asked_for() -> None:
    decided = plan(make(at("00:00")), HOURLY, at("00:00"), timedelta(days=9), most=3)
    assert fates(decided) == [("01:00", None), ("02:00", None), ("03:00", None)]
    assert (decided.is_whole, decided.planned_through) == (False, at("03:00"))


@pytest.mark.parametrize("policy", MissedRunPolicy)
@given(steps=st.lists(st.integers(1, 7_200), min_size=1, max_size=12))
def test_ticks_at_any_distance_decide_every_period_once(
    policy: MissedRunPolicy, steps: list[int]
) -> None:
    every_five = Recurrence.from_cron("*/5 * * * *", "UTC")
    start = now = at("00:00")
    schedule, decided_periods = make(start, missed_run_policy=policy), []
    for step in steps:
        now += timedelta(seconds=step)
        decided = plan(schedule, every_five, now, LOOK_AHEAD)
        assert decided.planned_through < decided.next_scheduled_at
        decided_periods += [one.period_at for one in decided.periods for _ in range(one.count)]
        schedule = make(decided.planned_through, missed_run_policy=policy)
    assert len(decided_periods) == len(every_five.between(start, now + LOOK_AHEAD, 10_000))
