import re

import pytest
from grpc import StatusCode

from infra.local.cloud_tasks import names
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_tasks.hand import LOCATION, QUEUE


def test_a_task_name_is_split_into_queue_and_id() -> None:
    name = f"{QUEUE}/tasks/{'aZ9_-' * 100}"
    assert names.split_task(name) == (QUEUE, "aZ9_-" * 100)


def test_a_project_may_have_a_domain() -> None:
    names.check_queue("projects/example.com:demo-1/locations/europe-north1/queues/q")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "q",
        LOCATION,
        f"{LOCATION}/queues",
        f"/{QUEUE}",
        f"{QUEUE}/",
        f"{QUEUE}/tasks/t",
        "a/" * 9,
    ],
)
def test_a_malformed_queue_name_is_refused(name: str) -> None:
    with pytest.raises(ApiError, match="Queue name must be formatted") as refusal:
        names.check_queue(name)
    assert refusal.value.status is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("queue_id", ["", "a_b", "a" * 101, "å", "a b"])
def test_a_queue_id_has_letters_numbers_and_hyphens_only(queue_id: str) -> None:
    with pytest.raises(ApiError, match=re.escape(f'Queue ID "{queue_id}" can contain only')):
        names.check_queue(f"{LOCATION}/queues/{queue_id}")


@pytest.mark.parametrize("task_id", ["", "a.b", "a" * 501, "å", "a b", "a/b"])
def test_a_task_id_has_letters_numbers_hyphens_and_underscores_only(task_id: str) -> None:
    with pytest.raises(ApiError, match=re.escape(f'Task ID "{task_id}" can contain only letters')):
        names.split_task(f"{QUEUE}/tasks/{task_id}")


@pytest.mark.parametrize("name", ["t", QUEUE, f"{QUEUE}/t"])
def test_a_malformed_task_name_is_refused(name: str) -> None:
    with pytest.raises(ApiError, match="Task name must be formatted"):
        names.split_task(name)


def test_a_task_of_another_queue_is_refused() -> None:
    with pytest.raises(ApiError, match="must be the same as the queue name in the named task"):
        names.task_id_in(QUEUE, f"{QUEUE}-other/tasks/t")


def test_given_ids_are_20_digits_and_differ() -> None:
    given = {names.new_task_id() for _ in range(100)}
    assert len(given) == 100
    assert all(re.fullmatch(r"\d{20}", task_id) for task_id in given)
