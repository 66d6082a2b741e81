"""When a run is written for what a source reported."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.domain.unread import LOOK_AFTER, MOST_RUNS, Obstacle, Unread, decide_look, obstacle_of

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FRESH = Unread(
    connector=UUID(int=1),
    reported_at=NOON - HOUR,
    runs=0,
    is_heard=True,
    obstacle=None,
    paused_until=None,
    read_from=None,
    last_reason=None,
    last_ended_at=NOON,
)


def test_a_run_is_written_where_no_other_will_read_it() -> None:
    assert decide_look(FRESH, NOON) is None
    assert decide_look(replace(FRESH, last_ended_at=None), NOON) is None


@pytest.mark.parametrize("start", [NOON - HOUR, NOON + HOUR])
def test_a_run_that_will_read_it_is_looked_at_after_its_start(start: datetime) -> None:
    assert decide_look(replace(FRESH, read_from=start), NOON) == max(start, NOON) + LOOK_AFTER


@pytest.mark.parametrize("obstacle", Obstacle)
def test_what_waits_for_a_person_is_looked_at_seldom(obstacle: Obstacle) -> None:
    assert decide_look(replace(FRESH, obstacle=obstacle), NOON) == NOON + HOUR


def test_what_nobody_hears_of_is_looked_at_seldom() -> None:
    assert decide_look(replace(FRESH, is_heard=False), NOON) == NOON + HOUR


def test_the_end_of_a_pause_is_not_missed() -> None:
    paused = replace(FRESH, obstacle=Obstacle.PAUSED, paused_until=NOON + MINUTE)
    assert decide_look(paused, NOON) == NOON + MINUTE


def test_the_waits_between_runs_double_until_there_were_enough() -> None:
    for runs in range(1, MOST_RUNS):
        step = 15 * MINUTE * 2 ** (runs - 1)
        failed = replace(FRESH, runs=runs, last_reason="source_unavailable")
        follows_at = decide_look(failed, NOON)
        assert follows_at is not None
        assert step / 2 <= follows_at - NOON <= step
        assert decide_look(failed, follows_at) is None
    assert decide_look(replace(FRESH, runs=MOST_RUNS), NOON + 24 * HOUR) == NOON + 25 * HOUR


def test_neighbours_that_failed_together_do_not_come_back_together() -> None:
    failed = replace(FRESH, runs=1)
    assert decide_look(failed, NOON) != decide_look(replace(failed, connector=UUID(int=2)), NOON)


@pytest.mark.parametrize("reason", ["authorization", "configuration", "cursor_stuck"])
def test_a_failure_that_a_person_has_to_mend_is_not_repeated(reason: str) -> None:
    failed = replace(FRESH, runs=1, last_reason=reason)
    assert decide_look(failed, NOON + 24 * HOUR) == NOON + 25 * HOUR


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
