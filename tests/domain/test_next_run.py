from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.blackout import BlackoutWindow
from shared.domain.next_run import Search, find_next_run
from shared.domain.plan import plan
from shared.domain.schedule import (
    UNTIL_RESUMED,
    BlackoutPolicy,
    MissedRunPolicy,
    Schedule,
    build_recurrence,
)
from tests.domain.schedule_values import (
    HOUR,
    MINUTE,
    OFFSET,
    cron,
    days,
    hours,
    oslo,
    schedule,
)

NOW = oslo("2026-03-02 12:00")


def search(wanted: Schedule, now: datetime = NOW) -> Search:
    recurrence = build_recurrence(wanted.recurrence)
    assert recurrence is not None
    return find_next_run(wanted, recurrence, now)


def found(wanted: Schedule, now: datetime = NOW) -> tuple[datetime, datetime]:
    run = search(wanted, now).run
    assert run is not None
    assert run.reason is None
    return run.period_at, run.not_before_at


def test_the_next_run_is_the_first_period_after_the_mark() -> None:
    at = oslo("2026-03-03 02:00")
    assert found(schedule(NOW)) == (at, at)


def test_periods_that_have_rows_already_are_not_found_again() -> None:
    ahead = schedule(oslo("2026-03-03 02:00"))
    assert found(ahead)[0] == oslo("2026-03-04 02:00")


def test_spread_moves_the_start_of_the_next_run() -> None:
    at = oslo("2026-03-03 02:00")
    assert found(schedule(NOW, spread=HOUR)) == (at, at + OFFSET)


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2026-03-05 02:00", "2026-03-05 02:00"),
        ("2026-03-05 02:00:01", "2026-03-06 02:00"),
        ("2031-01-01 00:00", "2031-01-01 02:00"),
        ("2026-03-02 11:00", "2026-03-03 02:00"),
    ],
)
def test_a_pause_is_looked_past(until: str, expected: str) -> None:
    assert found(schedule(NOW, paused_until=oslo(until)))[0] == oslo(expected)


@pytest.mark.parametrize("before", [timedelta(0), HOUR, timedelta(days=1)])
def test_a_pause_that_ends_with_the_calendar_has_no_next_run(before: timedelta) -> None:
    until = UNTIL_RESUMED - before
    wanted = schedule(NOW, paused_until=until, recurrence=cron("* * * * *"), spread=24 * HOUR)
    assert search(wanted) == Search(None)


@pytest.mark.parametrize("policy", BlackoutPolicy)
def test_a_period_at_the_end_of_a_blackout_is_found_behind_all_within(
    policy: BlackoutPolicy,
) -> None:
    wanted = schedule(
        oslo("2026-12-23 23:59"),
        recurrence=cron("* * * * *"),
        blackouts=(days("2026-12-24", "2026-12-26"),),
        blackout_policy=policy,
    )
    assert found(wanted, oslo("2026-12-23 23:59:30"))[0] == oslo("2026-12-27 00:00")


def test_the_last_period_of_a_blackout_is_the_one_that_is_moved_to_its_end() -> None:
    wanted = schedule(
        NOW,
        recurrence=cron("0 * * * *"),
        blackouts=(hours("11:30", "15:30"),),
        blackout_policy=BlackoutPolicy.MOVE,
    )
    assert found(wanted) == (oslo("2026-03-02 15:00"), oslo("2026-03-02 15:30"))


def test_with_run_all_the_first_period_of_a_blackout_is_moved() -> None:
    wanted = schedule(
        NOW,
        recurrence=cron("0 * * * *"),
        blackouts=(hours("11:30", "15:30"),),
        blackout_policy=BlackoutPolicy.MOVE,
        missed_run_policy=MissedRunPolicy.RUN_ALL,
    )
    assert found(wanted) == (oslo("2026-03-02 13:00"), oslo("2026-03-02 15:30"))


def test_a_schedule_all_of_whose_periods_lie_in_blackouts_has_no_next_run() -> None:
    result = search(schedule(NOW, blackouts=(hours("01:00", "04:00"),)))
    assert result.run is None
    assert result.last_in_blackout_at is not None
    assert result.last_in_blackout_at > NOW + timedelta(days=40)


def test_a_time_that_the_clock_moves_out_of_a_window_is_found() -> None:
    wanted = schedule(NOW, recurrence=cron("30 2 * * *"), blackouts=(hours("01:00", "03:00"),))
    assert found(wanted)[0] == oslo("2026-03-29 03:00")


def test_a_recurrence_whose_times_no_clock_shows_has_no_next_run() -> None:
    never = schedule(NOW, recurrence=cron("* 2 * 3 sun#5"))
    assert search(never) == Search(None)


def test_what_planning_is_late_with_comes_first() -> None:
    late = schedule(oslo("2026-03-01 12:00"))
    assert found(late)[0] == oslo("2026-03-02 02:00")


def test_of_many_missed_periods_the_newest_is_run_however_long_the_outage() -> None:
    late = schedule(
        NOW - timedelta(days=30),
        recurrence=cron("*/2 * * * *"),
        catch_up_window=timedelta(days=365),
    )
    assert found(late, NOW + MINUTE)[0] == NOW


def test_with_run_all_the_oldest_within_the_window_comes_first() -> None:
    late = schedule(
        NOW - timedelta(days=30),
        recurrence=cron("* * * * *"),
        catch_up_window=timedelta(days=2),
        missed_run_policy=MissedRunPolicy.RUN_ALL,
    )
    assert found(late)[0] == NOW - timedelta(days=2)


def test_with_skip_nothing_that_was_missed_is_run() -> None:
    late = schedule(oslo("2026-03-01 12:00"), missed_run_policy=MissedRunPolicy.SKIP)
    assert found(late)[0] == oslo("2026-03-03 02:00")


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (MissedRunPolicy.RUN_ALL, "2026-03-01 22:00"),
        (MissedRunPolicy.RUN_ONCE, "2026-03-02 05:00"),
        (MissedRunPolicy.SKIP, "2026-03-02 05:00"),
    ],
)
def test_what_a_blackout_held_back_is_as_late_as_its_end(
    missed: MissedRunPolicy, expected: str
) -> None:
    late = schedule(
        oslo("2026-03-01 12:00"),
        recurrence=cron("0 20-23,0-5 * * *"),
        blackouts=(hours("22:00", "06:00"),),
        blackout_policy=BlackoutPolicy.MOVE,
        missed_run_policy=missed,
        catch_up_window=HOUR,
    )
    end = oslo("2026-03-02 06:00")
    assert found(late, end + timedelta(seconds=30))[0] == oslo(expected)


def test_a_rare_period_that_was_missed_long_ago_is_found() -> None:
    late = schedule(NOW - timedelta(days=3), catch_up_window=timedelta(days=2))
    assert found(late, oslo("2026-03-02 23:00"))[0] == oslo("2026-03-02 02:00")


HORIZON = timedelta(days=10)
BLACKOUTS = st.sampled_from(
    [
        (),
        (hours("22:00", "06:00"),),
        (hours("01:30", "02:10"), hours("02:05", "09:00")),
        (days("2026-03-02", "2026-03-08"),),
        (days("2026-03-03", "2026-03-03"), hours("12:00", "13:00", days=("monday", "friday"))),
    ]
)


@settings(deadline=None, max_examples=300)
@given(
    expression=st.sampled_from(["*/20 * * * *", "0 * * * *", "0 2 * * *", "5 12 * * mon"]),
    blackouts=BLACKOUTS,
    policy=st.sampled_from(BlackoutPolicy),
    missed=st.sampled_from(MissedRunPolicy),
    spread=st.sampled_from([timedelta(0), HOUR]),
    catch_up=st.sampled_from([timedelta(0), HOUR, 7 * HOUR, 12 * HOUR, 48 * HOUR]),
    pause=st.none() | st.integers(-60, 60 * 24 * 5),
    late=st.integers(-2, 60 * 24 * 4),
)
def test_it_is_the_first_run_of_all_that_the_planner_would_decide(
    expression: str,
    blackouts: tuple[BlackoutWindow, ...],
    policy: BlackoutPolicy,
    missed: MissedRunPolicy,
    spread: timedelta,
    catch_up: timedelta,
    pause: int | None,
    late: int,
) -> None:
    wanted = schedule(
        NOW - late * MINUTE,
        recurrence=cron(expression),
        blackouts=blackouts,
        blackout_policy=policy,
        missed_run_policy=missed,
        catch_up_window=catch_up,
        spread=spread,
        paused_until=None if pause is None else NOW + pause * MINUTE,
    )
    recurrence = build_recurrence(wanted.recurrence)
    decided = plan(wanted, recurrence, NOW, HORIZON, most=10_000)
    runs = [period for period in decided.periods if period.reason is None]
    run = search(wanted).run
    if run is not None and run.period_at > NOW + HORIZON:
        run = None
    assert run == next(iter(runs), None)
