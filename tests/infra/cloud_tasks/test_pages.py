from typing import Any

import pytest

from infra.local.cloud_tasks.messages import BASIC, FULL, ListQueuesRequest, ListTasksRequest, Queue
from infra.local.cloud_tasks.pages import queue_page, task_page
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_tasks.hand import LOCATION, NOW, QUEUE, cloud, task


def filled(count: int, body: bytes = b"body") -> Any:
    state = cloud()
    for number in range(count):
        request = {"url": "http://worker/run", "body": body}
        state.create_task(QUEUE, task(f"t{number}", http_request=request), NOW)
    return state


def all_pages(queue: Any, **fields: Any) -> list[list[str]]:
    pages: list[list[str]] = []
    token = ""
    while True:
        page = task_page(queue, ListTasksRequest(parent=QUEUE, page_token=token, **fields))
        pages.append([found.name.rpartition("/")[2] for found in page.tasks])
        token = page.next_page_token
        if not token:
            return pages


def test_pages_hold_every_task_once() -> None:
    queue = filled(5).queue(QUEUE)
    assert all_pages(queue, page_size=2) == [["t0", "t1"], ["t2", "t3"], ["t4"]]


def test_the_last_full_page_has_no_token() -> None:
    assert all_pages(filled(4).queue(QUEUE), page_size=2) == [["t0", "t1"], ["t2", "t3"]]


def test_an_empty_queue_is_one_empty_page() -> None:
    assert all_pages(filled(0).queue(QUEUE)) == [[]]


def test_a_page_has_at_most_1000_tasks() -> None:
    pages = all_pages(filled(1_001).queue(QUEUE), page_size=5_000)
    assert [len(page) for page in pages] == [1_000, 1]


def test_a_page_goes_on_behind_a_task_that_was_deleted_meanwhile() -> None:
    state = filled(4)
    first = task_page(state.queue(QUEUE), ListTasksRequest(page_size=2))
    for number in (1, 2):
        state.delete_task(f"{QUEUE}/tasks/t{number}", NOW)
    rest = task_page(state.queue(QUEUE), ListTasksRequest(page_token=first.next_page_token))
    assert [found.name for found in rest.tasks] == [f"{QUEUE}/tasks/t3"]


def test_a_page_of_large_tasks_is_smaller_than_what_a_client_takes() -> None:
    queue = filled(10, body=b"x" * 900_000).queue(QUEUE)
    page = task_page(queue, ListTasksRequest(response_view=FULL))
    assert page.ByteSize() < 4 * 1_024 * 1_024
    assert sum(len(names) for names in all_pages(queue, response_view=FULL)) == 10


def test_only_the_full_view_has_the_body() -> None:
    queue = filled(1).queue(QUEUE)
    basic = task_page(queue, ListTasksRequest()).tasks[0]
    full = task_page(queue, ListTasksRequest(response_view=FULL)).tasks[0]
    assert (basic.view, basic.http_request.body) == (BASIC, b"")
    assert (full.view, full.http_request.body) == (FULL, b"body")


@pytest.mark.parametrize("fields", [{"page_size": -1}, {"page_token": "x"}, {"page_token": "-1"}])
def test_a_page_that_cannot_be_is_refused(fields: Any) -> None:
    with pytest.raises(ApiError):
        task_page(filled(1).queue(QUEUE), ListTasksRequest(**fields))


def test_queues_come_by_name_in_pages_of_one_location() -> None:
    state = cloud()
    for name in ("b", "a"):
        state.create_queue(LOCATION, Queue(name=f"{LOCATION}/queues/{name}"), NOW)
    abroad = "projects/demo/locations/us-east1"
    state.create_queue(abroad, Queue(name=f"{abroad}/queues/c"), NOW)
    first = queue_page(state.queues(), ListQueuesRequest(parent=LOCATION, page_size=2))
    rest = queue_page(
        state.queues(), ListQueuesRequest(parent=LOCATION, page_token=first.next_page_token)
    )
    names = [queue.name.rpartition("/")[2] for queue in (*first.queues, *rest.queues)]
    assert names == ["a", "b", "syncs"]
    assert not rest.next_page_token


def test_a_filter_is_said_not_to_be_served() -> None:
    with pytest.raises(ApiError, match="does not serve"):
        queue_page([], ListQueuesRequest(parent=LOCATION, filter="state: PAUSED"))
