"""What a worker may rely on in the deliveries of Cloud Tasks, and what faults do to them."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from google.auth.transport import requests as auth_requests
from google.cloud.tasks_v2 import CloudTasksClient, Task
from google.oauth2 import id_token

from infra.local.cloud_tasks.faults import Fault, FaultKind
from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from shared.clock import utc_now
from tests.infra.cloud_tasks.target import WAIT_SECONDS, Received, Target, running_target

LOCATION = "projects/demo/locations/europe-north1"
QUICK = {"min_backoff": timedelta(milliseconds=10), "max_backoff": timedelta(milliseconds=20)}
EMAIL = "tasks@demo.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks(shortest_deadline=timedelta(milliseconds=100)) as running:
        yield running


@pytest.fixture(scope="module")
def client(cloud_tasks: RunningCloudTasks) -> Iterator[CloudTasksClient]:
    with cloud_tasks.client() as connected:
        yield connected


@pytest.fixture
def target() -> Iterator[Target]:
    with running_target() as running:
        yield running


@pytest.fixture
def queue(client: CloudTasksClient, cloud_tasks: RunningCloudTasks) -> Iterator[str]:
    """Yield a queue of this test's own that retries at once; faults end with the test."""
    name = f"{LOCATION}/queues/{uuid4()}"
    client.create_queue(parent=LOCATION, queue={"name": name, "retry_config": QUICK})
    yield name
    cloud_tasks.clear_faults()
    client.delete_queue(name=name)


def create(
    client: CloudTasksClient, queue: str, target: Target, path: str = "/run", **fields: Any
) -> Task:
    request = {"url": f"{target.url}{path}", "body": b"body", **fields.pop("http_request", {})}
    return client.create_task(parent=queue, task={"http_request": request, **fields})


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_empty(cloud_tasks: RunningCloudTasks, queue: str) -> None:
    wait_until(lambda: cloud_tasks.stats(queue)["tasks"] == 0)


def counts_in(request: Received) -> tuple[str, str, str | None]:
    headers = request.headers
    return (
        headers["x-cloudtasks-taskretrycount"],
        headers["x-cloudtasks-taskexecutioncount"],
        headers.get("x-cloudtasks-taskpreviousresponse"),
    )


def test_a_task_arrives_as_it_was_created_and_is_gone_after_its_answer(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    task = create(client, queue, target, "/run?a=1", http_request={"headers": {"X-Mine": "1"}})
    (received,) = target.wait_for(1)
    assert (received.method, received.path, received.body) == ("POST", "/run?a=1", b"body")
    assert received.headers["x-mine"] == "1"
    assert received.headers["user-agent"] == "Google-Cloud-Tasks"
    assert received.headers["x-cloudtasks-queuename"] == queue.rpartition("/")[2]
    assert received.headers["x-cloudtasks-taskname"] == task.name.rpartition("/")[2]
    assert float(received.headers["x-cloudtasks-tasketa"]) == pytest.approx(
        task.schedule_time.timestamp(), abs=1e-5
    )
    assert "content-type" not in received.headers
    wait_until_empty(cloud_tasks, queue)


def test_the_recorded_answers_give_the_recorded_headers(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    target.answer_in_turn(503, 404, 429, 500, 302, 200)
    create(client, queue, target)
    told = [counts_in(request) for request in target.wait_for(6)]
    assert told == [
        ("0", "0", None),
        ("1", "0", "503"),
        ("2", "1", "404"),
        ("3", "2", "429"),
        ("4", "2", "500"),
        ("5", "3", "302"),
    ]
    assert "x-cloudtasks-taskretryreason" not in target.received[0].headers
    assert target.received[1].headers["x-cloudtasks-taskretryreason"] == ""
    wait_until_empty(cloud_tasks, queue)


def test_an_attempt_without_an_answer_by_its_deadline_is_told_as_504(
    client: CloudTasksClient, queue: str, target: Target
) -> None:
    released = threading.Event()
    target.answer = lambda _: 200 if released.wait(WAIT_SECONDS) else 500
    create(client, queue, target, dispatch_deadline=timedelta(milliseconds=500))
    second = target.wait_for(2)[1]
    released.set()
    assert counts_in(second) == ("1", "0", "504")


def test_a_target_that_is_not_there_yet_gets_its_task_later(
    client: CloudTasksClient, queue: str, target: Target
) -> None:
    with running_target() as gone:
        pass
    task = create(client, queue, gone)

    def has_failed() -> bool:
        return client.get_task(name=task.name).last_attempt.response_status.code != 0

    wait_until(has_failed)
    assert client.get_task(name=task.name).response_count == 0


def test_a_task_is_never_early(client: CloudTasksClient, queue: str, target: Target) -> None:
    arrivals: dict[str, float] = {}

    def note(request: Received) -> int:
        arrivals[request.path] = utc_now().timestamp()
        return 200

    target.answer = note
    later = create(client, queue, target, "/later", schedule_time=utc_now() + timedelta(seconds=2))
    create(client, queue, target, "/now")
    target.wait_for(2)
    wait_until(lambda: len(arrivals) == 2)
    assert arrivals["/now"] < arrivals["/later"]
    assert arrivals["/later"] >= later.schedule_time.timestamp()


def test_a_task_that_always_fails_is_given_up_after_its_attempts(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    target.answer = lambda _: 500
    create(client, queue, target, retry_config={"max_attempts": 3})
    wait_until_empty(cloud_tasks, queue)
    assert len(target.received) == 3
    assert cloud_tasks.stats(queue)["given_up"] == 1


def test_no_more_tasks_are_under_way_than_the_queue_allows(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    client.update_queue(
        queue={"name": queue, "rate_limits": {"max_concurrent_dispatches": 2}},
    )
    lock = threading.Lock()
    under_way, most = 0, 0

    def work(_: Received) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return 200

    target.answer = work
    for _ in range(10):
        create(client, queue, target)
    wait_until_empty(cloud_tasks, queue)
    assert most == 2


def test_a_paused_queue_delivers_when_it_is_resumed(
    client: CloudTasksClient, queue: str, target: Target
) -> None:
    client.pause_queue(name=queue)
    create(client, queue, target, "/waited")
    forced = create(client, queue, target, "/forced")
    client.run_task(name=forced.name)
    assert [request.path for request in target.wait_for(1)] == ["/forced"]
    client.resume_queue(name=queue)
    assert [request.path for request in target.wait_for(2)] == ["/forced", "/waited"]


def test_the_token_is_accepted_by_googles_verifier_with_the_served_certificates(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    oidc = {"service_account_email": EMAIL, "audience": "https://worker"}
    create(client, queue, target, http_request={"oidc_token": oidc})
    (received,) = target.wait_for(1)
    claims = id_token.verify_token(
        received.headers["authorization"].removeprefix("Bearer "),
        auth_requests.Request(),
        audience="https://worker",
        certs_url=cloud_tasks.certs_url,
    )
    assert (claims["email"], claims["email_verified"]) == (EMAIL, True)


def test_a_task_deleted_before_its_time_never_arrives(
    client: CloudTasksClient, queue: str, target: Target
) -> None:
    soon = utc_now() + timedelta(seconds=2)
    doomed = create(client, queue, target, "/deleted", schedule_time=soon)
    create(client, queue, target, "/kept", schedule_time=soon + timedelta(milliseconds=200))
    client.delete_task(name=doomed.name)
    assert [request.path for request in target.wait_for(1)] == ["/kept"]


@pytest.mark.parametrize("kind", [FaultKind.DELIVER_TWICE, FaultKind.DELIVER_TWICE_AT_ONCE])
def test_a_task_can_arrive_twice(
    cloud_tasks: RunningCloudTasks,
    client: CloudTasksClient,
    queue: str,
    target: Target,
    kind: FaultKind,
) -> None:
    cloud_tasks.set_faults(Fault(kind, queue=queue, times=1))
    create(client, queue, target)
    first, second = target.wait_for(2)
    assert first.headers["x-cloudtasks-taskname"] == second.headers["x-cloudtasks-taskname"]
    assert counts_in(first) == counts_in(second)
    wait_until_empty(cloud_tasks, queue)
    assert cloud_tasks.stats(queue)["dispatched"] == 1


def test_the_second_of_two_deliveries_can_begin_before_the_first_is_answered(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    both = threading.Barrier(2)

    def meet(_: Received) -> int:
        both.wait(WAIT_SECONDS)
        return 200

    target.answer = meet
    cloud_tasks.set_faults(Fault(FaultKind.DELIVER_TWICE_AT_ONCE, queue=queue))
    create(client, queue, target)
    wait_until_empty(cloud_tasks, queue)
    assert not both.broken


def test_a_dropped_task_exists_and_never_arrives(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    cloud_tasks.set_faults(Fault(FaultKind.DROP, queue=queue, times=1))
    dropped = create(client, queue, target, "/dropped")
    create(client, queue, target, "/kept")
    assert [request.path for request in target.wait_for(1)] == ["/kept"]
    assert client.get_task(name=dropped.name).dispatch_count == 0
    assert cloud_tasks.faults()[0]["hits"] == 1


def test_a_delayed_task_is_overtaken(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    cloud_tasks.set_faults(Fault(FaultKind.DELAY, queue=queue, times=1, seconds=2))
    create(client, queue, target, "/delayed")
    create(client, queue, target, "/later")
    assert [request.path for request in target.wait_for(2)] == ["/later", "/delayed"]


def test_reordered_tasks_arrive_in_another_order_and_each_once(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str, target: Target
) -> None:
    cloud_tasks.set_faults(Fault(FaultKind.REORDER, queue=queue, seconds=1))
    paths = [f"/{number}" for number in range(10)]
    for path in paths:
        create(client, queue, target, path)
    arrived = [request.path for request in target.wait_for(10)]
    assert sorted(arrived) == sorted(paths)
    assert arrived != paths


def test_a_restart_breaks_off_what_is_under_way(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, target: Target
) -> None:
    name = f"{LOCATION}/queues/{uuid4()}"
    client.create_queue(parent=LOCATION, queue={"name": name, "retry_config": QUICK})
    released = threading.Event()

    def fail_late(_: Received) -> int:
        released.wait(WAIT_SECONDS)
        return 500

    target.answer = fail_late
    create(client, name, target)
    target.wait_for(1)
    cloud_tasks.restart_empty()
    released.set()
    client.create_queue(parent=LOCATION, queue={"name": name})
    assert cloud_tasks.stats(name)["in_flight"] == 0
    assert list(client.list_tasks(parent=name)) == []


def test_the_control_server_says_that_it_is_well_and_why_a_fault_is_wrong(
    cloud_tasks: RunningCloudTasks,
) -> None:
    url = cloud_tasks.control_url
    assert requests.get(f"{url}/healthz", timeout=WAIT_SECONDS).json() == {"status": "ok"}
    wrong = requests.put(f"{url}/faults", json=[{"kind": "explode"}], timeout=WAIT_SECONDS)
    assert wrong.status_code == 400
    assert "deliver_twice" in wrong.json()["error"]
