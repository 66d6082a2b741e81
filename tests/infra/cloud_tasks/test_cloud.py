from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from infra.local.cloud_tasks.cloud import Placing, check_starting_queues
from infra.local.cloud_tasks.messages import Operation, Queue
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_tasks.hand import LOCATION, NOW, QUEUE, after, cloud, task

OTHER = f"{LOCATION}/queues/other"


def test_the_starting_queues_are_there() -> None:
    assert [queue.name for queue in cloud().queues()] == [QUEUE]


def test_a_malformed_starting_queue_is_refused() -> None:
    check_starting_queues([QUEUE])
    with pytest.raises(ApiError):
        check_starting_queues([QUEUE, "syncs"])


def test_a_queue_that_does_not_exist_is_not_found_in_the_services_words() -> None:
    with pytest.raises(ApiError, match=r"^Queue does not exist\. If you just created") as refusal:
        cloud().queue(OTHER)
    assert refusal.value.status is StatusCode.NOT_FOUND


def test_a_queue_can_be_created_once() -> None:
    state = cloud()
    state.create_queue(LOCATION, Queue(name=OTHER), NOW)
    with pytest.raises(ApiError) as refusal:
        state.create_queue(LOCATION, Queue(name=OTHER), NOW)
    assert refusal.value.status is StatusCode.ALREADY_EXISTS


def test_a_queue_of_another_location_is_refused() -> None:
    with pytest.raises(ApiError, match="must be in the location"):
        cloud().create_queue("projects/demo/locations/us-east1", Queue(name=OTHER), NOW)


def test_a_deleted_queue_is_gone_with_its_tasks_and_its_name_is_blocked_for_a_week() -> None:
    state = cloud()
    state.create_task(QUEUE, task("t"), NOW)
    deleted = state.delete_queue(QUEUE, NOW)
    assert (len(deleted), deleted.next_wake(NOW)) == (0, None)
    with pytest.raises(ApiError, match="Queue does not exist"):
        state.create_task(QUEUE, task("t"), NOW)
    with pytest.raises(ApiError) as refusal:
        state.create_queue(LOCATION, Queue(name=QUEUE), after(7 * 86_400 - 1))
    assert refusal.value.status is StatusCode.FAILED_PRECONDITION
    state.create_queue(LOCATION, Queue(name=QUEUE), after(7 * 86_400))


def test_deleting_a_queue_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(ApiError, match=r"^Requested entity was not found\.$"):
        cloud().delete_queue(OTHER, NOW)


def test_updating_a_queue_that_does_not_exist_creates_it() -> None:
    state = cloud()
    state.update_queue(Queue(name=OTHER), FieldMask(), NOW)
    assert state.queue(OTHER).config.retry_config.max_attempts == 100


def test_updating_a_queue_leaves_it_paused() -> None:
    state = cloud()
    state.queue(QUEUE).pause()
    state.update_queue(Queue(name=QUEUE, retry_config={"max_attempts": 3}), FieldMask(), NOW)
    config = state.queue(QUEUE).config
    assert (config.state, config.retry_config.max_attempts) == (2, 3)


def test_a_task_without_a_name_gets_one_in_its_queue() -> None:
    _, stored = cloud().create_task(QUEUE, task(), NOW)
    assert stored.message.name == f"{QUEUE}/tasks/{stored.task_id}"


def test_a_task_of_another_queue_is_refused() -> None:
    with pytest.raises(ApiError, match="must be the same as the queue name"):
        cloud().create_task(QUEUE, task_named(f"{OTHER}/tasks/t"), NOW)


def test_a_refused_task_leaves_its_name_free() -> None:
    state = cloud()
    with pytest.raises(ApiError):
        state.create_task(QUEUE, task("t", schedule_time=after(31 * 86_400)), NOW)
    state.create_task(QUEUE, task("t"), NOW)


def test_backoffs_of_a_task_that_contradict_its_queue_are_refused() -> None:
    with pytest.raises(ApiError, match="minBackoff must be less"):
        cloud().create_task(QUEUE, task(retry_config={"min_backoff": {"seconds": 7200}}), NOW)


def test_the_window_in_which_a_name_stays_taken_can_be_set() -> None:
    state = cloud(task_tombstone=timedelta(seconds=5))
    state.create_task(QUEUE, task("t"), NOW)
    state.delete_task(f"{QUEUE}/tasks/t", NOW)
    with pytest.raises(ApiError):
        state.create_task(QUEUE, task("t"), after(4))
    state.create_task(QUEUE, task("t"), after(5))


def test_a_task_held_back_keeps_the_time_that_its_creator_sees() -> None:
    state = cloud()
    queue, stored = state.create_task(QUEUE, task("t"), NOW, Placing(hold=timedelta(seconds=9)))
    assert queue.next_wake(NOW) == after(9)
    assert stored.message.schedule_time.ToSeconds() == int(NOW.timestamp())


def test_a_lost_task_is_stored_and_never_due() -> None:
    state = cloud()
    queue, _ = state.create_task(QUEUE, task("t"), NOW, Placing(is_lost=True))
    assert queue.next_wake(NOW) is None
    assert state.find_task(f"{QUEUE}/tasks/t", NOW)[1].task_id == "t"


def test_a_restart_loses_tasks_names_operations_and_later_queues() -> None:
    state = cloud()
    state.create_queue(LOCATION, Queue(name=OTHER), NOW)
    state.create_task(QUEUE, task("t"), NOW)
    state.delete_task(f"{QUEUE}/tasks/t", NOW)
    state.keep_operation(Operation(name="o"))
    state.restart_empty(NOW)
    assert [queue.name for queue in state.queues()] == [QUEUE]
    state.create_task(QUEUE, task("t"), NOW)
    with pytest.raises(ApiError):
        state.operation("o")


def test_the_oldest_operations_are_forgotten() -> None:
    state = cloud()
    for number in range(1_001):
        state.keep_operation(Operation(name=str(number)))
    assert state.operation("1").name == "1"
    with pytest.raises(ApiError):
        state.operation("0")


def task_named(name: str) -> object:
    message = task("t")
    message.name = name
    return message
