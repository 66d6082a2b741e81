"""The life of one job, on a hand clock."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud_scheduler.job import (
    OK,
    Attempt,
    JobState,
    change,
    due,
    finish,
    force,
    forget,
    new_job,
    pause,
    resume,
)
from tests.infra.cloud_scheduler.jobs import MINUTE, SECOND, START, policy, rule

FIRST = datetime(2026, 11, 21, 8, 1, tzinfo=UTC)
FAILED = 13


def fired(state: JobState, now: datetime) -> JobState:
    """Return the state after a firing at `now` that must happen."""
    step = due(state, now)
    assert step.attempts
    return step.state


def test_a_new_job_waits_for_its_first_instant() -> None:
    state = new_job(rule(), START)
    assert state.wake_at == FIRST
    assert due(state, FIRST - SECOND).attempts == ()
    assert due(state, FIRST).attempts == (Attempt(1, 1, FIRST),)


def test_a_firing_is_not_repeated() -> None:
    assert due(fired(new_job(rule(), START), FIRST), FIRST).attempts == ()


def test_a_job_that_answered_fires_again_at_the_next_instant() -> None:
    state = finish(fired(new_job(rule(), START), FIRST), 1, OK, FIRST + SECOND)
    assert state.executions == ()
    assert due(state, FIRST + MINUTE).attempts == (Attempt(2, 1, FIRST + MINUTE),)


def test_a_run_still_outstanding_makes_the_next_be_skipped() -> None:
    step = due(fired(new_job(rule(), START), FIRST), FIRST + MINUTE)
    assert step.attempts == ()
    assert step.state.skipped == 1
    assert step.state.next_at == FIRST + 2 * MINUTE
    later = finish(step.state, 1, OK, FIRST + MINUTE + SECOND)
    assert due(later, FIRST + 2 * MINUTE).attempts == (Attempt(2, 1, FIRST + 2 * MINUTE),)


def test_a_machine_that_slept_fires_once_for_all_that_it_missed() -> None:
    step = due(new_job(rule(), START), FIRST + 10 * MINUTE + SECOND)
    assert step.attempts == (Attempt(1, 1, FIRST),)
    assert step.state.next_at == FIRST + 11 * MINUTE


def test_a_retry_carries_the_time_of_the_first_attempt() -> None:
    state = new_job(rule(policy(retry_count=1), cron="0 * * * *"), START)
    hour = datetime(2026, 11, 21, 9, tzinfo=UTC)
    state = finish(fired(state, hour), 1, FAILED, hour + SECOND)
    assert state.wake_at == hour + 11 * SECOND
    assert due(state, hour + 10 * SECOND).attempts == ()
    assert due(state, hour + 11 * SECOND).attempts == (Attempt(1, 2, hour),)


def test_a_job_out_of_retries_ends_and_waits_for_its_next_instant() -> None:
    state = finish(fired(new_job(rule(), START), FIRST), 1, FAILED, FIRST + SECOND)
    assert state.executions == ()
    assert state.last_code == FAILED
    assert due(state, FIRST + MINUTE).attempts == (Attempt(2, 1, FIRST + MINUTE),)


def test_a_retry_that_waits_swallows_the_next_instant() -> None:
    state = new_job(rule(policy(max_retry_duration=timedelta(hours=1))), START)
    state = finish(fired(state, FIRST), 1, FAILED, FIRST + 55 * SECOND)
    step = due(state, FIRST + MINUTE)
    assert step.attempts == ()
    assert step.state.skipped == 1
    assert due(step.state, FIRST + 65 * SECOND).attempts == (Attempt(1, 2, FIRST),)


def test_a_paused_job_does_nothing_by_itself() -> None:
    state = pause(new_job(rule(), START))
    assert state.wake_at is None
    assert due(state, FIRST + 5 * MINUTE).attempts == ()


def test_pausing_ends_the_retries_that_wait() -> None:
    state = new_job(rule(policy(retry_count=5)), START)
    state = pause(finish(fired(state, FIRST), 1, FAILED, FIRST + SECOND))
    assert resume(state, FIRST + SECOND).executions == ()


def test_an_attempt_that_fails_after_the_pause_is_not_retried() -> None:
    state = pause(fired(new_job(rule(policy(retry_count=5)), START), FIRST))
    assert finish(state, 1, FAILED, FIRST + SECOND).executions == ()


def test_resuming_makes_up_for_nothing() -> None:
    state = resume(pause(new_job(rule(), START)), FIRST + 5 * MINUTE)
    assert state.next_at == FIRST + 6 * MINUTE


def test_a_forced_run_carries_the_next_time_and_does_not_move_it() -> None:
    step = force(new_job(rule(), START), START)
    assert step.attempts == (Attempt(1, 1, FIRST),)
    assert step.state.next_at == FIRST


def test_a_forced_run_starts_on_a_paused_job() -> None:
    assert force(pause(new_job(rule(), START)), FIRST).attempts == (Attempt(1, 1, FIRST + MINUTE),)


def test_a_forced_run_starts_beside_one_that_is_outstanding() -> None:
    step = force(fired(new_job(rule(), START), FIRST), FIRST + SECOND)
    assert step.attempts == (Attempt(2, 1, FIRST + MINUTE),)
    assert [each.number for each in step.state.executions] == [1, 2]


def test_a_forced_run_still_outstanding_makes_the_next_be_skipped() -> None:
    step = due(force(new_job(rule(), START), START).state, FIRST)
    assert step.attempts == ()
    assert step.state.skipped == 1


def test_an_end_that_is_told_twice_counts_once() -> None:
    state = finish(fired(new_job(rule(), START), FIRST), 1, OK, FIRST + SECOND)
    assert finish(state, 1, FAILED, FIRST + 2 * SECOND) == state


def test_a_lost_execution_is_over_without_an_outcome() -> None:
    state = forget(fired(new_job(rule(), START), FIRST), 1)
    assert state.executions == ()
    assert state.last_code is None
    assert due(state, FIRST + MINUTE).attempts == (Attempt(2, 1, FIRST + MINUTE),)


def test_a_changed_rule_counts_from_now_and_leaves_what_is_outstanding() -> None:
    state = change(fired(new_job(rule(), START), FIRST), rule(cron="0 * * * *"), FIRST + SECOND)
    assert state.next_at == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert [each.number for each in state.executions] == [1]


@given(
    waits=st.lists(st.integers(0, 200), min_size=1, max_size=30),
    codes=st.lists(st.sampled_from([OK, FAILED, None]), min_size=30, max_size=30),
)
def test_a_schedule_alone_never_has_two_executions_outstanding(
    waits: list[int], codes: list[int | None]
) -> None:
    state, now = new_job(rule(policy(retry_count=2)), START), START
    for wait, code in zip(waits, codes, strict=False):
        now += wait * SECOND
        state = due(state, now).state
        assert len(state.executions) <= 1
        assert state.next_at > now
        if code is not None and state.executions and state.executions[0].retry_at is None:
            state = finish(state, state.executions[0].number, code, now)
