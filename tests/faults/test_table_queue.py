"""The queue of the fault suite behaves as Cloud Tasks does; and its faults, which are its own."""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import sleep
from typing import Protocol
from uuid import uuid4

import pytest
from google.cloud import tasks_v2

from infra.local.cloud_tasks.faults import Fault, FaultKind
from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.clock import utc_now
from shared.domain.task import WARM_UP_PATH, TaskFailure, TaskOrder, write_task
from shared.gcp import task_queue
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from tests.faults.table_queue import DueTask, QueueFaults, StoredTask, TableQueue
from tests.settings import make_settings

AGO = timedelta(minutes=-1)
SOON = timedelta(minutes=10)
_NAP_SECONDS = 0.01


class Subject(Protocol):
    """A queue that the flows use, and what a test does behind its back."""

    @property
    def queue(self) -> CloudTasksQueue | TableQueue: ...

    def waiting(self) -> list[StoredTask]: ...

    def finish(self, name: str) -> None:
        """Let a task be answered and gone."""

    def forget_everything(self) -> None: ...

    def trouble(self, kind: FaultKind) -> AbstractContextManager[CloudTasksQueue | TableQueue]:
        """Yield the queue while creating a task meets this fault."""
        ...


@dataclass
class OverTable:
    path: Path

    def __post_init__(self) -> None:
        self.queue = TableQueue(self.path)

    def waiting(self) -> list[StoredTask]:
        return self.queue.waiting()

    def finish(self, name: str) -> None:
        [task] = self.queue.take(1)
        assert task.name == name
        self.queue.answer(name, done=True)

    def forget_everything(self) -> None:
        self.queue.restart_empty()

    @contextmanager
    def trouble(self, kind: FaultKind) -> Generator[TableQueue]:
        is_refusal = kind is FaultKind.UNAVAILABLE
        faults = QueueFaults(refuse=is_refusal, lose_reply=not is_refusal)
        yield TableQueue(self.path, faults)


@dataclass
class OverCloudTasks:
    server: RunningCloudTasks
    client: tasks_v2.CloudTasksClient

    def __post_init__(self) -> None:
        self._settings = make_settings()
        self.queue = CloudTasksQueue(self.client, self._settings)
        self._open()

    def _open(self) -> None:
        ensure_queues(self.client, self._settings)
        for name in self._names():
            self.client.pause_queue(name=name)

    def _names(self) -> list[str]:
        settings = self._settings
        return [
            self.client.queue_path(settings.project, settings.location, queue)
            for queue in (settings.scheduled_queue, settings.interactive_queue)
        ]

    def waiting(self) -> list[StoredTask]:
        view = tasks_v2.Task.View.FULL
        return [
            StoredTask(task.name, task.http_request.body, task.schedule_time)
            for name in self._names()
            for task in self.client.list_tasks({"parent": name, "response_view": view})
        ]

    def finish(self, name: str) -> None:
        self.client.delete_task(name=name)

    def forget_everything(self) -> None:
        self.server.restart_empty()
        self._open()

    @contextmanager
    def trouble(self, kind: FaultKind) -> Generator[CloudTasksQueue]:
        self.server.set_faults(Fault(kind))
        yield self.queue
        self.server.clear_faults()


@pytest.fixture(params=["table", "cloud_tasks"])
def subject(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Subject]:
    if request.param == "table":
        yield OverTable(tmp_path / "queue")
        return
    monkeypatch.setattr(task_queue, "_PATIENCE_SECONDS", 0.3)
    server: RunningCloudTasks = request.getfixturevalue("cloud_tasks")
    with server.client() as client:
        yield OverCloudTasks(server, client)
        server.clear_faults()


def order(*, is_interactive: bool = False, schedule_time: datetime | None = None) -> TaskOrder:
    run = uuid4()
    return TaskOrder(
        run=run,
        workspace=uuid4(),
        generation=3,
        task_id=sha256(run.bytes).hexdigest(),
        is_interactive=is_interactive,
        schedule_time=schedule_time or utc_now() + AGO,
    )


def names(subject: Subject) -> list[str]:
    return [task.name for task in subject.waiting()]


def test_an_order_that_is_taken_comes_back_and_its_task_waits_with_its_body(
    subject: Subject,
) -> None:
    wanted = order()
    assert list(subject.queue.enqueue([wanted])) == [wanted]
    [task] = subject.waiting()
    assert task.name == subject.queue.task_name(wanted)
    assert task.name.rpartition("/")[2] == wanted.task_id
    assert task.body == write_task(wanted)


def test_a_task_keeps_the_instant_of_its_order(subject: Subject) -> None:
    wanted = order(schedule_time=utc_now() + SOON)
    list(subject.queue.enqueue([wanted]))
    [task] = subject.waiting()
    assert task.schedule_time == wanted.schedule_time


def test_every_order_of_a_batch_comes_back_in_its_place(subject: Subject) -> None:
    orders = [order(is_interactive=number % 2 == 0) for number in range(20)]
    assert list(subject.queue.enqueue(orders)) == orders
    assert sorted(names(subject)) == sorted(map(subject.queue.task_name, orders))


def test_interactive_and_scheduled_tasks_are_in_two_queues(subject: Subject) -> None:
    queues = {
        subject.queue.task_name(order(is_interactive=each)).partition("/tasks/")[0]
        for each in (True, False)
    }
    assert len(queues) == 2


def test_a_name_that_is_there_already_counts_as_taken(subject: Subject) -> None:
    wanted = order()
    for _ in range(2):
        assert list(subject.queue.enqueue([wanted])) == [wanted]
    assert list(subject.queue.enqueue([wanted, wanted])) == [wanted, wanted]
    assert names(subject) == [subject.queue.task_name(wanted)]


def test_a_name_counts_as_taken_after_its_task_is_gone(subject: Subject) -> None:
    wanted = order()
    list(subject.queue.enqueue([wanted]))
    subject.finish(subject.queue.task_name(wanted))
    assert list(subject.queue.enqueue([wanted])) == [wanted]
    assert names(subject) == []


def test_a_queue_that_lost_everything_takes_a_name_again(subject: Subject) -> None:
    wanted = order()
    list(subject.queue.enqueue([wanted]))
    subject.forget_everything()
    assert names(subject) == []
    assert list(subject.queue.enqueue([wanted])) == [wanted]
    assert names(subject) == [subject.queue.task_name(wanted)]


def test_a_refusal_is_a_failure_that_leaves_no_task_and_no_name(subject: Subject) -> None:
    wanted = order()
    with subject.trouble(FaultKind.UNAVAILABLE) as refusing:
        [failure] = refusing.enqueue([wanted])
    assert isinstance(failure, TaskFailure)
    assert failure.order == wanted
    assert failure.error
    assert names(subject) == []
    assert list(subject.queue.enqueue([wanted])) == [wanted]
    assert names(subject) == [subject.queue.task_name(wanted)]


def test_after_a_lost_reply_there_is_one_task_and_asking_again_takes_it(subject: Subject) -> None:
    wanted = order()
    with subject.trouble(FaultKind.LOSE_REPLY) as losing:
        [result] = losing.enqueue([wanted])
    assert wanted in (result, getattr(result, "order", None))
    assert list(subject.queue.enqueue([wanted])) == [wanted]
    assert names(subject) == [subject.queue.task_name(wanted)]


def test_a_warm_up_is_taken_as_often_as_it_is_ordered(subject: Subject) -> None:
    assert [subject.queue.order_errand(WARM_UP_PATH, utc_now()) for _ in range(2)] == [True, True]


# What Cloud Tasks does with its faults, the contract suite of the local one proves. These are ours.


def faulty(folder: Path, kind: str | None = None) -> TableQueue:
    """Return a queue on which every task has a fault of this kind."""
    faults = QueueFaults(hold=SOON)
    return TableQueue(folder / "queue", replace(faults, **{kind: 1.0}) if kind else faults)


def taken(queue: TableQueue) -> DueTask:
    """Return the one task that comes, which may take the time of a backoff."""
    for _ in range(500):
        if found := queue.take(10):
            [task] = found
            return task
        sleep(_NAP_SECONDS)
    raise AssertionError("no task came")


def test_a_task_comes_again_until_it_is_answered(tmp_path: Path) -> None:
    queue = faulty(tmp_path)
    list(queue.enqueue([order()]))
    for _ in range(3):
        task = taken(queue)
        assert queue.take(1) == []
        queue.answer(task.name, done=False)
    queue.answer(taken(queue).name, done=True)
    assert (queue.take(1), queue.count("gone")) == ([], 1)


def test_a_task_comes_at_its_instant_and_interactive_ones_first(tmp_path: Path) -> None:
    queue = faulty(tmp_path)
    late, manual = order(), order(is_interactive=True)
    list(queue.enqueue([late, order(schedule_time=utc_now() + SOON), manual]))
    expected = {queue.task_name(late), queue.task_name(manual)}
    assert queue.take(1)[0].name == queue.task_name(manual)
    assert {task.name for task in queue.take(10)} == expected - {queue.task_name(manual)}


def test_a_doubled_task_comes_again_once_it_was_answered(tmp_path: Path) -> None:
    queue = faulty(tmp_path, "twice")
    list(queue.enqueue([order()]))
    seen = []
    for _ in range(2):
        task = taken(queue)
        seen.append(task.is_again)
        queue.answer(task.name, done=True)
    assert (seen, queue.take(1)) == ([False, True], [])


def test_a_task_for_two_at_once_says_so(tmp_path: Path) -> None:
    queue = faulty(tmp_path, "at_once")
    list(queue.enqueue([order()]))
    assert taken(queue).at_once == 2


def test_a_lost_task_is_taken_and_never_comes(tmp_path: Path) -> None:
    queue, wanted = faulty(tmp_path, "lose"), order()
    assert list(queue.enqueue([wanted])) == [wanted]
    assert (queue.take(1), queue.count("lost")) == ([], 1)


@pytest.mark.parametrize("kind", ["delay", "reorder"])
def test_a_task_that_is_held_back_keeps_its_instant_and_comes_later(
    tmp_path: Path, kind: str
) -> None:
    queue, wanted = faulty(tmp_path, kind), order(schedule_time=utc_now())
    list(queue.enqueue([wanted]))
    assert queue.take(1) == []
    assert queue.waiting()[0].schedule_time == wanted.schedule_time


def test_a_purge_drops_what_waits_and_keeps_the_names(tmp_path: Path) -> None:
    queue, wanted = faulty(tmp_path), order()
    list(queue.enqueue([wanted]))
    queue.purge()
    assert list(queue.enqueue([wanted])) == [wanted]
    assert queue.take(1) == []


def test_the_same_seed_chooses_the_same_tasks(tmp_path: Path) -> None:
    orders = [order() for _ in range(40)]
    lost = []
    for seed, file in ((7, "a"), (7, "b"), (8, "c")):
        queue = TableQueue(tmp_path / file, QueueFaults(seed, lose=0.5))
        list(queue.enqueue(orders))
        lost.append([task.name for task in queue.waiting()])
    assert lost[0] == lost[1] != lost[2]
