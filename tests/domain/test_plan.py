from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.plan import MAX_PERIODS, MAX_SKIPPED_ROWS, Plan, plan
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason
from shared.domain.schedule import Frequency, MissedRunPolicy, RecurrenceFields, Schedule
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
    assert len(skipped) == MAX_SKIPPED_ROWS + 1
    assert skipped[0].count == 299 - MAX_SKIPPED_ROWS
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
