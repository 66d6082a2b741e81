"""When a run is written for what a source reported."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.domain.unread import (
    LOOK_AFTER,
    MOST_RUNS,
    NEVER,
    Obstacle,
    Unread,
    decide_look,
    has_failed_for_good,
    obstacle_of,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FRESH = Unread(
    connector=UUID(int=1),
    runs=0,
    is_heard=True,
    obstacle=None,
    paused_until=None,
    read_from=None,
    is_running=False,
    last_ended_at=NOON,
    last_shortfalls=frozenset(),
    is_news=False,
)
AWAY = frozenset({"source_unavailable"})


def test_a_run_is_written_where_no_other_will_read_it() -> None:
    assert decide_look(FRESH, NOON) is None
    assert decide_look(replace(FRESH, last_ended_at=None), NOON) is None


@pytest.mark.parametrize("start", [NOON - HOUR, NOON + HOUR])
def test_a_run_that_will_read_it_is_looked_at_after_its_start(start: datetime) -> None:
    assert decide_look(replace(FRESH, read_from=start), NOON) == max(start, NOON) + LOOK_AFTER


def test_a_run_that_waits_long_is_looked_at_once_an_hour() -> None:
    put_off = replace(FRESH, read_from=NOON + 9 * HOUR)
    assert decide_look(put_off, NOON) == NOON + HOUR + LOOK_AFTER


@pytest.mark.parametrize("obstacle", Obstacle)
def test_what_waits_for_a_person_is_looked_at_seldom(obstacle: Obstacle) -> None:
    assert decide_look(replace(FRESH, obstacle=obstacle), NOON) == NOON + HOUR


def test_what_nobody_hears_of_waits_for_a_change_of_the_schedule() -> None:
    assert decide_look(replace(FRESH, is_heard=False), NOON) == NEVER


def test_the_end_of_a_pause_is_not_missed() -> None:
    paused = replace(FRESH, obstacle=Obstacle.PAUSED, paused_until=NOON + MINUTE)
    assert decide_look(paused, NOON) == NOON + MINUTE


def test_the_waits_between_runs_double_until_there_were_enough() -> None:
    for runs in range(1, MOST_RUNS):
        step = 15 * MINUTE * 2 ** (runs - 1)
        failed = replace(FRESH, runs=runs, last_shortfalls=AWAY)
        follows_at = decide_look(failed, NOON)
        assert follows_at is not None
        assert step / 2 <= follows_at - NOON <= step
        assert decide_look(failed, follows_at) is None
    enough = replace(FRESH, runs=MOST_RUNS, last_shortfalls=AWAY)
    assert decide_look(enough, NOON + 24 * HOUR) == NEVER


def test_what_is_reported_after_enough_runs_waits_as_long_as_the_last_did() -> None:
    again = replace(FRESH, runs=MOST_RUNS, last_shortfalls=AWAY, is_news=True)
    for runs in (MOST_RUNS, MOST_RUNS + 5):
        follows_at = decide_look(replace(again, runs=runs), NOON)
        assert follows_at is not None
        assert 4 * HOUR <= follows_at - NOON <= 8 * HOUR
        assert decide_look(replace(again, runs=runs), follows_at) is None


def test_a_run_that_read_all_ends_the_waits_and_the_counting() -> None:
    later = replace(FRESH, runs=5)
    assert decide_look(later, NOON) is None
    assert later.next_run == 1
    assert replace(later, last_shortfalls=AWAY).next_run == 6


def test_while_a_run_may_show_that_the_source_is_back_no_other_is_written() -> None:
    running = replace(FRESH, runs=1, last_shortfalls=AWAY, is_running=True)
    assert decide_look(running, NOON + HOUR) == NOON + HOUR + LOOK_AFTER


def test_neighbours_that_failed_together_do_not_come_back_together() -> None:
    failed = replace(FRESH, runs=1, last_shortfalls=AWAY)
    assert decide_look(failed, NOON) != decide_look(replace(failed, connector=UUID(int=2)), NOON)


@pytest.mark.parametrize(
    "reasons", [{"authorization"}, {"configuration"}, {"cursor_stuck", "configuration"}]
)
def test_a_failure_that_a_person_has_to_mend_is_not_repeated(reasons: set[str]) -> None:
    failed = replace(FRESH, runs=1, last_shortfalls=frozenset(reasons))
    assert decide_look(failed, NOON + 24 * HOUR) == NEVER
    # One stream that may be back is enough, and so is a report: the source may be mended.
    assert decide_look(replace(failed, last_shortfalls=AWAY | reasons), NOON + 24 * HOUR) is None
    assert decide_look(replace(failed, is_news=True), NOON + 24 * HOUR) is None


@pytest.mark.parametrize("is_news", [False, True])
def test_each_run_that_fails_after_enough_is_told_once(is_news: bool) -> None:
    enough = replace(FRESH, runs=MOST_RUNS, last_shortfalls=AWAY, is_news=is_news)
    looks = [decide_look(enough, now) for now in (NOON, NOON + 9 * HOUR)]
    told = [has_failed_for_good(enough, look_at) for look_at in looks]
    # Without news nobody looks again, so that the first look is the only one.
    assert told == ([False, True] if is_news else [True, True])
    assert not has_failed_for_good(replace(enough, runs=MOST_RUNS - 1), None)
    assert not has_failed_for_good(replace(enough, is_heard=False), NEVER)


@pytest.mark.parametrize(
    ("status", "is_enabled", "paused_until", "obstacle"),
    [
        ("connected", True, None, None),
        ("connected", True, NOON, None),
        ("connected", True, NOON + MINUTE, Obstacle.PAUSED),
        ("connected", False, None, Obstacle.SCHEDULE_DISABLED),
        ("disabled", True, None, Obstacle.CONNECTOR_DISABLED),
        ("pending_authorization", True, None, Obstacle.AUTHORIZATION),
        ("needs_reauthorization", False, NOON + MINUTE, Obstacle.AUTHORIZATION),
    ],
)
def test_what_keeps_a_schedule_from_running(
    status: str, is_enabled: bool, paused_until: datetime | None, obstacle: Obstacle | None
) -> None:
    assert obstacle_of(status, paused_until, NOON, is_enabled=is_enabled) is obstacle
