"""The whole state behind the API: queues, the names of deleted ones, finished operations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from infra.local.cloud_tasks import names
from infra.local.cloud_tasks.messages import OperationMessage, Queue, QueueMessage, TaskMessage
from infra.local.cloud_tasks.queue import QueueState
from infra.local.cloud_tasks.queue_rules import (
    check_backoff_order,
    checked_queue,
    merged_queue,
    overridden_retry_config,
)
from infra.local.cloud_tasks.table import StoredTask
from infra.local.cloud_tasks.task_rules import DeadlineRange, complete_task
from infra.local.emulator.errors import ApiError, invalid
from infra.local.emulator.names import check_location

TASK_TOMBSTONE = timedelta(hours=24)
QUEUE_TOMBSTONE = timedelta(days=7)
_MAX_OPERATIONS = 1_000
_NO_QUEUE = (
    "Queue does not exist. If you just created the queue, wait at least a minute for the queue "
    "to initialize."
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What can be set about the emulated service."""

    starting_queues: tuple[str, ...] = ()
    """Full names of the queues that exist from the start and after a restart."""
    task_tombstone: timedelta = TASK_TOMBSTONE
    """How long the name of a task that is gone cannot be used again."""
    deadlines: DeadlineRange = field(default_factory=DeadlineRange)


@dataclass(frozen=True, slots=True)
class Placing:
    """What a fault makes of a new task: later than its time, or never."""

    hold: timedelta = timedelta(0)
    is_lost: bool = False


AS_ASKED = Placing()


class CloudState:
    """Answers the calls of the API with `now` as an argument and no I/O.

    Every method refuses with `ApiError`.
    """

    def __init__(self, rules: Rules, now: datetime) -> None:
        self._rules = rules
        self._queues: dict[str, QueueState] = {}
        self._buried_until: dict[str, datetime] = {}
        self._operations: dict[str, OperationMessage] = {}
        self.restart_empty(now)

    def restart_empty(self, now: datetime) -> None:
        """Forget everything: tasks, names, operations, and queues beyond the starting ones."""
        self._queues.clear()
        self._buried_until.clear()
        self._operations.clear()
        for name in self._rules.starting_queues:
            self.create_queue(names.location_of(name), Queue(name=name), now)

    def queues(self) -> Iterator[QueueState]:
        """Return every queue, in order of creation."""
        return iter(self._queues.values())

    def queue(self, name: str) -> QueueState:
        """Return a queue by its full name."""
        found = self._queues.get(name)
        if found is None:
            names.check_queue(name)
            raise ApiError(StatusCode.NOT_FOUND, _NO_QUEUE)
        return found

    def create_queue(self, parent: str, queue: QueueMessage, now: datetime) -> QueueState:
        """Create a queue; its name must be below `parent`, unused, and not deleted lately."""
        check_location(parent)
        if names.location_of(queue.name) != parent:
            raise invalid(f'The queue name "{queue.name}" must be in the location "{parent}".')
        if queue.name in self._queues:
            raise ApiError(StatusCode.ALREADY_EXISTS, "Queue already exists")
        if now < self._buried_until.get(queue.name, now):
            raise ApiError(
                StatusCode.FAILED_PRECONDITION,
                "The queue cannot be created because a queue with this name existed too recently.",
            )
        config = checked_queue(queue)
        config.ClearField("purge_time")
        state = QueueState(config, self._rules.task_tombstone, now)
        self._queues[queue.name] = state
        return state

    def update_queue(self, queue: QueueMessage, mask: FieldMask, now: datetime) -> QueueState:
        """Change the masked fields of a queue; one that does not exist is created."""
        state = self._queues.get(queue.name)
        if state is None:
            return self.create_queue(names.location_of(queue.name), queue, now)
        state.configure(merged_queue(state.config, queue, mask), now)
        return state

    def delete_queue(self, name: str, now: datetime) -> QueueState:
        """Delete a queue and its tasks; its name is blocked for a week."""
        names.check_queue(name)
        state = self._queues.pop(name, None)
        if state is None:
            raise ApiError(StatusCode.NOT_FOUND, "Requested entity was not found.")
        self._buried_until[name] = now + QUEUE_TOMBSTONE
        state.pause()
        state.purge(now)
        return state

    def create_task(
        self, parent: str, message: TaskMessage, now: datetime, placing: Placing = AS_ASKED
    ) -> tuple[QueueState, StoredTask]:
        """Check, complete and store a task; one without a name gets one."""
        state = self.queue(parent)
        if message.name:
            task_id = names.task_id_in(parent, message.name)
        else:
            task_id = names.new_task_id()
            message.name = f"{parent}/tasks/{task_id}"
        due_at = complete_task(message, now, self._rules.deadlines)
        if message.HasField("retry_config"):
            merged = overridden_retry_config(message.retry_config, state.config.retry_config)
            check_backoff_order(merged, "Task.retryConfig")
        state.check_name(task_id, now)
        return state, state.add(
            task_id, message, None if placing.is_lost else due_at + placing.hold
        )

    def find_task(self, name: str, now: datetime) -> tuple[QueueState, StoredTask]:
        """Return a task and its queue by the full name of the task."""
        queue_name, task_id = names.split_task(name)
        state = self.queue(queue_name)
        return state, state.get(task_id, now)

    def delete_task(self, name: str, now: datetime) -> None:
        """Remove a task."""
        state, task = self.find_task(name, now)
        state.delete(task.task_id, now)

    def operation(self, name: str) -> OperationMessage:
        """Return a finished operation by name."""
        found = self._operations.get(name)
        if found is None:
            raise ApiError(StatusCode.NOT_FOUND, "Requested entity was not found.")
        return found

    def known_operation(self, name: str) -> OperationMessage | None:
        """Return the operation that an earlier call with the same request id has left."""
        return self._operations.get(name)

    def keep_operation(self, operation: OperationMessage) -> None:
        """Remember a finished operation, and forget the oldest beyond the thousandth."""
        self._operations[operation.name] = operation
        while len(self._operations) > _MAX_OPERATIONS:
            del self._operations[next(iter(self._operations))]


def check_starting_queues(queue_names: Sequence[str]) -> None:
    """Refuse malformed names before anything is started."""
    for name in queue_names:
        names.check_queue(name)
