from datetime import datetime, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from infra.local.cloud_tasks.cloud import CloudState
from infra.local.cloud_tasks.messages import Queue, instant
from infra.local.cloud_tasks.outcome import DEADLINE_EXCEEDED, Outcome
from infra.local.cloud_tasks.queue import Attempt, QueueState
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_tasks.hand import NOW, QUEUE, after, queue, task

OK, NOT_FOUND, FAILED = Outcome(200), Outcome(404), Outcome(500)


def add(cloud: CloudState, *task_ids: str, now: datetime = NOW, **fields: Any) -> None:
    for task_id in task_ids:
        cloud.create_task(QUEUE, task(task_id, **fields), now)


def begun(state: QueueState, now: datetime) -> list[str]:
    return [attempt.task.task_id for attempt in attempts(state, now)]


def attempts(state: QueueState, now: datetime) -> list[Attempt]:
    found: list[Attempt] = []
    while (attempt := state.take(now)) is not None:
        found.append(attempt)
    return found


def fail_at(state: QueueState, now: datetime, outcome: Outcome = FAILED) -> Attempt:
    (attempt,) = attempts(state, now)
    state.settle(attempt, outcome, now)
    return attempt


def test_a_task_is_dispatched_at_its_time() -> None:
    cloud, state = queue()
    add(cloud, "t", schedule_time=after(60))
    assert state.next_wake(NOW) == after(60)
    assert begun(state, after(59)) == []
    assert begun(state, after(60)) == ["t"]


def test_a_paused_queue_takes_tasks_and_dispatches_none() -> None:
    cloud, state = queue()
    state.pause()
    add(cloud, "t")
    assert state.next_wake(NOW) is None
    assert begun(state, after(1)) == []
    state.resume()
    assert begun(state, after(1)) == ["t"]


def test_no_more_attempts_are_under_way_than_allowed() -> None:
    cloud, state = queue(rate_limits={"max_concurrent_dispatches": 2})
    add(cloud, "a", "b", "c")
    first, _ = attempts(state, NOW)
    assert state.next_wake(NOW) is None
    state.settle(first, OK, after(1))
    assert begun(state, after(1)) == ["c"]


def test_attempts_begin_no_faster_than_the_rate_after_the_burst() -> None:
    cloud, state = queue(rate_limits={"max_dispatches_per_second": 5})
    add(cloud, *(str(number) for number in range(30)))
    assert len(begun(state, NOW)) == 10
    assert len(begun(state, after(1))) == 5
    wake_at = state.next_wake(after(1))
    assert wake_at is not None
    assert after(1.2) <= wake_at <= after(1.2) + timedelta(microseconds=2)
    assert begun(state, wake_at) == ["15"]


def test_a_changed_rate_holds_from_then_on() -> None:
    cloud, state = queue(rate_limits={"max_dispatches_per_second": 5})
    add(cloud, *(str(number) for number in range(80)))
    begun(state, NOW)
    faster = Queue(name=QUEUE, rate_limits={"max_dispatches_per_second": 50})
    cloud.update_queue(faster, FieldMask(), NOW)
    assert len(begun(state, after(0.1))) == 5


def test_the_headers_figures_follow_the_recorded_sequence() -> None:
    cloud, state = queue(retry_config={"min_backoff": {"seconds": 1}, "max_doublings": 1})
    add(cloud, "t")
    told: list[tuple[int, int, int | None]] = []
    now = NOW
    for status in (503, 404, 429, 500, 302, 200):
        attempt = fail_at(state, now, Outcome(status))
        told.append((attempt.number - 1, attempt.execution_count, attempt.previous_status))
        now = state.next_wake(now) or now
    assert told == [
        (0, 0, None),
        (1, 0, 503),
        (2, 1, 404),
        (3, 2, 429),
        (4, 2, 500),
        (5, 3, 302),
    ]
    assert len(state) == 0


def test_a_deadline_is_told_as_504_and_does_not_count_as_an_execution() -> None:
    cloud, state = queue()
    add(cloud, "t")
    fail_at(state, NOW, DEADLINE_EXCEEDED)
    (second,) = attempts(state, after(1))
    assert (second.previous_status, second.execution_count) == (504, 0)
    assert second.task.message.response_count == 0


def test_failures_are_followed_by_attempts_at_the_backoff() -> None:
    cloud, state = queue(
        retry_config={
            "min_backoff": {"seconds": 10},
            "max_backoff": {"seconds": 300},
            "max_doublings": 3,
        }
    )
    add(cloud, "t")
    waits: list[float] = []
    now = NOW
    for _ in range(8):
        fail_at(state, now)
        next_at = state.next_wake(now)
        assert next_at is not None
        waits.append((next_at - now).total_seconds())
        now = next_at
    assert waits == [10, 20, 40, 80, 160, 240, 300, 300]


def test_after_its_last_attempt_a_task_is_gone() -> None:
    cloud, state = queue(retry_config={"max_attempts": 2})
    add(cloud, "t")
    fail_at(state, NOW)
    fail_at(state, after(1))
    assert (len(state), state.counts.given_up) == (0, 1)
    assert state.next_wake(after(1)) is None


def test_attempts_and_duration_must_both_be_used_up() -> None:
    cloud, state = queue(
        retry_config={
            "max_attempts": 2,
            "max_retry_duration": {"seconds": 60},
            "max_backoff": {"seconds": 1},
        }
    )
    add(cloud, "t")
    for second in (0, 10, 20, 59):
        fail_at(state, after(second))
    assert len(state) == 1
    fail_at(state, after(61))
    assert len(state) == 0


def test_a_tasks_own_retries_go_before_the_queues() -> None:
    cloud, state = queue(retry_config={"max_attempts": 9})
    add(cloud, "t", retry_config={"max_attempts": 1})
    fail_at(state, NOW)
    assert state.counts.given_up == 1


def test_a_failure_is_visible_in_the_task() -> None:
    cloud, state = queue()
    add(cloud, "t")
    fail_at(state, after(1), NOT_FOUND)
    message = state.get("t", NOW).message
    assert (message.dispatch_count, message.response_count) == (1, 1)
    assert instant(message.first_attempt.dispatch_time) == after(1)
    assert message.last_attempt.response_status.code == 5
    assert message.last_attempt.response_status.message == "NOT_FOUND(5): HTTP status code 404"
    assert instant(message.schedule_time) == after(1.1)


def test_an_answer_for_a_task_deleted_meanwhile_changes_nothing() -> None:
    cloud, state = queue()
    add(cloud, "t")
    (attempt,) = attempts(state, NOW)
    state.delete("t", NOW)
    state.settle(attempt, FAILED, after(1))
    assert (len(state), state.in_flight) == (0, 0)
    assert state.next_wake(after(1)) is None


def test_a_task_can_be_forced_out_of_a_paused_queue_before_its_time() -> None:
    cloud, state = queue()
    state.pause()
    add(cloud, "t", schedule_time=after(60))
    task_, attempt = state.force("t", after(1))
    assert attempt is not None
    assert attempt.scheduled_at == after(1)
    assert task_.message.dispatch_count == 1
    state.settle(attempt, OK, after(2))
    assert len(state) == 0


def test_a_forced_task_that_fails_is_retried_once_at_a_time() -> None:
    cloud, state = queue()
    add(cloud, "t", schedule_time=after(60))
    _, attempt = state.force("t", NOW)
    assert state.force("t", NOW)[1] is None
    assert attempt is not None
    state.settle(attempt, FAILED, NOW)
    assert state.next_wake(NOW) == after(0.1)
    assert begun(state, after(99)) == ["t"]


def test_purging_removes_every_task_and_says_when() -> None:
    cloud, state = queue()
    add(cloud, "a", "b")
    state.purge(after(5))
    assert len(state) == 0
    assert instant(state.config.purge_time) == after(5)
    assert begun(state, after(9)) == []


@pytest.mark.parametrize("end", ["success", "delete", "purge", "give up"])
def test_a_name_cannot_be_used_again_however_its_task_ended(end: str) -> None:
    cloud, state = queue(retry_config={"max_attempts": 1})
    add(cloud, "t")
    match end:
        case "success":
            fail_at(state, NOW, OK)
        case "delete":
            state.delete("t", NOW)
        case "purge":
            state.purge(NOW)
        case _:
            fail_at(state, NOW)
    with pytest.raises(ApiError, match="existed too recently") as refusal:
        state.check_name("t", after(86_399))
    assert refusal.value.status is StatusCode.ALREADY_EXISTS
    state.check_name("t", after(86_400))


def test_a_name_in_use_is_refused_with_other_words() -> None:
    cloud, state = queue()
    add(cloud, "t")
    with pytest.raises(ApiError, match=r"^Requested entity already exists$") as refusal:
        state.check_name("t", NOW)
    assert refusal.value.status is StatusCode.ALREADY_EXISTS


def test_a_task_that_ended_recently_is_told_from_one_that_never_was() -> None:
    cloud, state = queue()
    add(cloud, "t")
    state.delete("t", NOW)
    with pytest.raises(ApiError, match="a task with this name existed recently"):
        state.get("t", after(1))
    with pytest.raises(ApiError, match=r"^Requested entity was not found"):
        state.get("other", NOW)
