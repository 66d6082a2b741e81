"""500 triggers of one schedule at once, at two instances of the api as it is served: one run."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from google.cloud import tasks_v2
from sqlalchemy import text
from werkzeug.serving import WSGIRequestHandler, make_server

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.isolation.world import World

AT_ONCE = 500
KEYS: dict[str, Callable[[int], str | None]] = {
    "without a key": lambda _: None,
    "with one key for half and keys of their own": lambda n: "one" if n % 2 else str(uuid4()),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one caller was told."""

    status: int
    is_replayed: bool
    shown: dict[str, Any]


@pytest.fixture
def ports(deployment: Wiring, world: World) -> Iterator[list[int]]:
    """Return where two instances listen, each with a pool of its own."""
    other = Wiring(deployment.settings, service="api")
    with listening(world.alice.app) as one, listening(create_app(other)) as another:
        yield [one, another]
    other.close()


@pytest.mark.parametrize("keys", KEYS)
def test_as_many_triggers_at_once_as_there_may_be_give_one_run_and_one_task(
    world: World,
    deployment: Wiring,
    cloud_tasks: RunningCloudTasks,
    ports: list[int],
    keys: str,
) -> None:
    schedule = world.house.make("schedule")["schedule"]
    before = tasks_of(cloud_tasks, deployment)

    answers = trigger(ports, schedule, world.alice.key or "", KEYS[keys])

    runs = runs_of(world, schedule)
    assert len(runs) == 1
    assert len(tasks_of(cloud_tasks, deployment) - before) == 1
    kinds = Counter(kind_of(one, runs[0]) for one in answers)
    assert sum(kinds.values()) == AT_ONCE
    assert kinds["started it"] == 1
    known = {"started it", "told of it as the first was", "told that it is active"}
    assert set(kinds) <= known | {"told that the first is under way"}
    if keys == "without a key":
        assert kinds["told that it is active"] == AT_ONCE - 1


def kind_of(answer: Answer, run: str) -> str:
    """Return what became of one call; what it names is the run."""
    match answer.status, answer.shown.get("code"):
        case 202, None:
            assert answer.shown["id"] == run
            return "told of it as the first was" if answer.is_replayed else "started it"
        case 409, "run_active":
            assert answer.shown["run_id"] == run
            return "told that it is active"
        case 409, "idempotency_key_in_progress":
            return "told that the first is under way"
        case _:
            return f"{answer.status} {answer.shown}"


def trigger(
    ports: list[int], schedule: str, key: str, key_of: Callable[[int], str | None]
) -> list[Answer]:
    """Connect `AT_ONCE` times, and let all of them ask in the same moment."""
    gate, answers = threading.Barrier(AT_ONCE, timeout=60), list[Answer]()

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", ports[number % len(ports)], timeout=60)
        connection.connect()
        headers = {"Authorization": f"Bearer {key}", "Content-Length": "0"}
        chosen = key_of(number)
        if chosen is not None:
            headers["Idempotency-Key"] = chosen
        gate.wait()
        connection.request("POST", f"/api/v2/sync-schedules/{schedule}/trigger", headers=headers)
        response = connection.getresponse()
        is_replayed = response.headers.get("Idempotency-Replayed") == "true"
        answers.append(Answer(response.status, is_replayed, json.loads(response.read())))
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == AT_ONCE
    return answers


def runs_of(world: World, schedule: str) -> list[str]:
    """Return the ids of a schedule's runs."""
    query = text(
        "SELECT r.workspace_connector_sync_log_id FROM workspace_connector_sync_log AS r"
        " JOIN sync_schedule AS s ON s.id = r.schedule_id WHERE s.public_id = :schedule"
    )
    with world.engine.connect() as connection:
        return [str(one) for one in connection.execute(query, {"schedule": schedule}).scalars()]


def tasks_of(cloud_tasks: RunningCloudTasks, deployment: Wiring) -> set[str]:
    """Return the names of the tasks that wait in the deployment's two queues."""
    settings = deployment.settings
    with cloud_tasks.client() as client:
        queues = [
            tasks_v2.CloudTasksClient.queue_path(settings.project, settings.location, queue)
            for queue in (settings.scheduled_queue, settings.interactive_queue)
        ]
        return {task.name for queue in queues for task in client.list_tasks(parent=queue)}


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing of each of hundreds of requests."""


@contextmanager
def listening(app: Flask) -> Generator[int]:
    """Serve an application to as many callers at once as there are; return its port."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
