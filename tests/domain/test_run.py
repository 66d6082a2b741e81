from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from shared.domain.outcome import MAX_ERROR_CHARS
from shared.domain.run import (
    CANCELLATIONS,
    TRANSITIONS,
    Reason,
    RunStatus,
    TriggerType,
    interactive_key,
    scheduled_key,
    task_id,
)

CONNECTOR = UUID(int=7)


def test_transitions_are_total_and_only_planning_leaves_a_final_state() -> None:
    assert set(TRANSITIONS) == set(RunStatus)
    for status in RunStatus:
        if status.is_final:
            assert RunStatus.IN_PROGRESS not in TRANSITIONS[status]
    assert not TRANSITIONS[RunStatus.SUCCESS]
    assert not TRANSITIONS[RunStatus.ERROR]


def test_every_state_is_reached_from_scheduled() -> None:
    seen, waiting = {RunStatus.SCHEDULED}, [RunStatus.SCHEDULED]
    while waiting:
        fresh = TRANSITIONS[waiting.pop()] - seen
        seen |= fresh
        waiting += fresh
    assert seen == set(RunStatus)


def test_the_key_of_a_period_is_its_instant_in_utc_whatever_the_zone() -> None:
    instant = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    oslo = instant.astimezone(timezone(timedelta(hours=1)))
    assert scheduled_key(CONNECTOR, instant) == scheduled_key(CONNECTOR, oslo)
    assert scheduled_key(CONNECTOR, instant) == f"{CONNECTOR}:2026-03-02T02:00:00Z"


def test_keys_of_requests_differ_from_keys_of_periods() -> None:
    key = interactive_key(CONNECTOR, TriggerType.MANUAL, UUID(int=1))
    assert key == f"{CONNECTOR}:manual:{UUID(int=1)}"


def test_a_task_id_is_a_hash_that_changes_with_the_generation() -> None:
    first, second = task_id("key", 0), task_id("key", 1)
    assert first != second
    assert first == task_id("key", 0)
    assert len(first) == 64
    assert first.isalnum()


def test_only_scheduled_runs_are_not_interactive() -> None:
    assert [one for one in TriggerType if not one.is_interactive] == [TriggerType.CLOUD_TASK]


def test_whatever_ends_a_run_that_may_have_started_has_a_sentence() -> None:
    ends = ("paused", "_disabled", "_deleted", "_by_user")
    said = {reason for reason in Reason if reason.endswith(ends)}
    assert set(CANCELLATIONS) == said
    assert len(set(CANCELLATIONS.values())) == len(said)
    assert all(len(sentence) <= MAX_ERROR_CHARS for sentence in CANCELLATIONS.values())


def test_what_a_person_asked_for_is_not_the_schedules() -> None:
    personal = [one for one in TriggerType if one.is_personal]
    assert personal == [TriggerType.MANUAL, TriggerType.OAUTH_CALLBACK]
