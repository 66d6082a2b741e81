"""The tasks of one queue: by id, by creation for lists, and by due time for dispatch."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush

from infra.local.cloud_tasks.messages import TaskMessage

_SMALL = 64


@dataclass(slots=True, eq=False)
class StoredTask:
    """A task and what its attempts have left behind. Only its queue changes it."""

    message: TaskMessage
    task_id: str
    sequence: int
    """Its place in the order of creation."""
    ticket: int | None = None
    """Its valid place among the waiting, or None while it is not waiting."""
    is_gone: bool = False
    is_under_way: bool = False
    execution_count: int = 0
    """Answers that were not 5xx."""
    previous_status: int | None = None
    first_attempt_at: datetime | None = None


class TaskTable:
    """Adds, finds, removes and hands out tasks without ever scanning them.

    Heap and creation order are cleaned lazily: a removed task stays in them until it comes up, or
    until the removed outnumber the living, which makes the clean-up constant a removal.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, StoredTask] = {}
        self._order: list[StoredTask] = []
        self._heap: list[tuple[datetime, int, StoredTask]] = []
        self._next_sequence = 1
        self._next_ticket = 1

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, task_id: str) -> StoredTask | None:
        """Return the task with that id."""
        return self._by_id.get(task_id)

    def add(self, task_id: str, message: TaskMessage) -> StoredTask:
        """Store a task; it waits for nothing yet."""
        task = StoredTask(message, task_id, self._next_sequence)
        self._next_sequence += 1
        self._by_id[task_id] = task
        self._order.append(task)
        return task

    def remove(self, task: StoredTask) -> None:
        """Forget a task."""
        del self._by_id[task.task_id]
        task.is_gone = True
        task.ticket = None
        if len(self._order) > 2 * len(self._by_id) + _SMALL:
            self._order = [kept for kept in self._order if not kept.is_gone]
        self._tidy_heap()

    def wait(self, task: StoredTask, due_at: datetime) -> None:
        """Let a task wait until `due_at`, in place of any earlier wait."""
        task.ticket = self._next_ticket
        self._next_ticket += 1
        heappush(self._heap, (due_at, task.ticket, task))
        self._tidy_heap()

    def stop_waiting(self, task: StoredTask) -> None:
        """Take a task from among the waiting."""
        task.ticket = None

    def first_due_at(self) -> datetime | None:
        """Return when the first waiting task is due."""
        while self._heap:
            due_at, ticket, task = self._heap[0]
            if task.ticket == ticket:
                return due_at
            heappop(self._heap)
        return None

    def take_due(self, now: datetime) -> StoredTask | None:
        """Take the task that has been due longest, if one is due."""
        due_at = self.first_due_at()
        if due_at is None or due_at > now:
            return None
        task = heappop(self._heap)[2]
        task.ticket = None
        return task

    def after(self, sequence: int) -> Iterator[StoredTask]:
        """Return the tasks created after the one with that sequence, in order of creation."""
        start = bisect_right(self._order, sequence, key=_sequence)
        order = self._order
        return (order[at] for at in range(start, len(order)) if not order[at].is_gone)

    def _tidy_heap(self) -> None:
        if len(self._heap) > 2 * len(self._by_id) + _SMALL:
            self._heap = [entry for entry in self._heap if entry[2].ticket == entry[1]]
            heapify(self._heap)


def _sequence(task: StoredTask) -> int:
    return task.sequence
