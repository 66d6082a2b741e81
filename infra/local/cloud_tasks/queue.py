"""One queue: what waits, what may be dispatched now, and what becomes of an attempt."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from grpc import StatusCode

from infra.local.cloud_tasks.bucket import TokenBucket
from infra.local.cloud_tasks.messages import PAUSED, RUNNING, QueueMessage, TaskMessage, instant
from infra.local.cloud_tasks.outcome import Outcome
from infra.local.cloud_tasks.queue_rules import overridden_retry_config
from infra.local.cloud_tasks.retries import RetryPolicy
from infra.local.cloud_tasks.table import StoredTask, TaskTable
from infra.local.cloud_tasks.tombstones import Tombstones
from infra.local.emulator.errors import ApiError

_STILL_THERE = "Requested entity already exists"
_TOO_RECENT = (
    "The task cannot be created because a task with this name existed too recently. "
    "For more information about task de-duplication see https://cloud.google.com/tasks/docs/"
    "reference/rest/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task."
)
_GONE = (
    "The task no longer exists, though a task with this name existed recently. "
    "The task either successfully completed or was deleted."
)
_NEVER_WAS = "Requested entity was not found."


@dataclass(frozen=True, slots=True)
class Attempt:
    """One dispatch of a task, with the figures that its headers tell."""

    task: StoredTask
    number: int
    """From 1."""
    scheduled_at: datetime
    execution_count: int
    previous_status: int | None


@dataclass(slots=True)
class Counts:
    """What the queue has done since it was made. Only the queue changes it."""

    created: int = 0
    dispatched: int = 0
    succeeded: int = 0
    failed: int = 0
    given_up: int = 0


class QueueState:
    """The state of a queue. It reads no clock and sends nothing: its caller does both."""

    def __init__(self, config: QueueMessage, tombstone_window: timedelta, now: datetime) -> None:
        self.config = config
        self.config.state = RUNNING
        self.counts = Counts()
        self.in_flight = 0
        self._tasks = TaskTable()
        self._tombstones = Tombstones(tombstone_window)
        self._policy = RetryPolicy.of(config.retry_config)
        limits = config.rate_limits
        self._bucket = TokenBucket(limits.max_dispatches_per_second, limits.max_burst_size, now)

    @property
    def name(self) -> str:
        """Return the full resource name."""
        return self.config.name

    def __len__(self) -> int:
        return len(self._tasks)

    def configure(self, config: QueueMessage, now: datetime) -> None:
        """Take over changed limits and retries; what was dispatched already keeps its course."""
        self.config.CopyFrom(config)
        self._policy = RetryPolicy.of(config.retry_config)
        limits = config.rate_limits
        self._bucket.change(limits.max_dispatches_per_second, limits.max_burst_size, now)

    def pause(self) -> None:
        """Stop dispatching; tasks can still be added."""
        self.config.state = PAUSED

    def resume(self) -> None:
        """Dispatch again."""
        self.config.state = RUNNING

    def check_name(self, task_id: str, now: datetime) -> None:
        """Refuse, with ALREADY_EXISTS, the id of a task that exists or existed recently."""
        if self._tasks.get(task_id) is not None:
            raise ApiError(StatusCode.ALREADY_EXISTS, _STILL_THERE)
        if self._tombstones.holds(task_id, now):
            raise ApiError(StatusCode.ALREADY_EXISTS, _TOO_RECENT)

    def add(self, task_id: str, message: TaskMessage, due_at: datetime | None) -> StoredTask:
        """Store a checked task that is due at `due_at`, or never if that is None."""
        task = self._tasks.add(task_id, message)
        if due_at is not None:
            self._tasks.wait(task, due_at)
        self.counts.created += 1
        return task

    def get(self, task_id: str, now: datetime) -> StoredTask:
        """Return a task; raise NOT_FOUND, which tells whether it existed recently."""
        task = self._tasks.get(task_id)
        if task is not None:
            return task
        raise ApiError(
            StatusCode.NOT_FOUND, _GONE if self._tombstones.holds(task_id, now) else _NEVER_WAS
        )

    def delete(self, task_id: str, now: datetime) -> None:
        """Remove a task; an attempt under way goes on and its answer counts for nothing."""
        self._end(self.get(task_id, now), now)

    def purge(self, now: datetime) -> None:
        """Remove every task."""
        for task in list(self.after(0)):
            self._end(task, now)
        self.config.purge_time.FromDatetime(now)

    def after(self, sequence: int) -> Iterator[StoredTask]:
        """Return the tasks created after the one with that sequence, in order of creation."""
        return self._tasks.after(sequence)

    def take(self, now: datetime) -> Attempt | None:
        """Begin the attempt that is due longest, if state, concurrency and rate allow one."""
        wake_at = self.next_wake(now)
        if wake_at is None or wake_at > now or not self._bucket.take(now):
            return None
        task = self._tasks.take_due(now)
        return None if task is None else self._begin(task, now)

    def force(self, task_id: str, now: datetime) -> tuple[StoredTask, Attempt | None]:
        """Begin an attempt at once, whatever the limits; None if one is under way already."""
        task = self.get(task_id, now)
        if task.is_under_way:
            return task, None
        self._tasks.stop_waiting(task)
        task.message.schedule_time.FromDatetime(now)
        return task, self._begin(task, now)

    def next_wake(self, now: datetime) -> datetime | None:
        """Return when an attempt can begin next, or None if that takes another event."""
        if self.config.state != RUNNING:
            return None
        if self.in_flight >= self.config.rate_limits.max_concurrent_dispatches:
            return None
        due_at = self._tasks.first_due_at()
        if due_at is None:
            return None
        return max(due_at, self._bucket.ready_at(now))

    def settle(self, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
        """Record the end of an attempt: the task is done, waits for another one, or is given up."""
        task = attempt.task
        self.in_flight -= 1
        task.is_under_way = False
        if outcome.is_success:
            self.counts.succeeded += 1
        else:
            self.counts.failed += 1
        if task.is_gone:
            return
        if outcome.is_success:
            self._end(task, now)
        else:
            self._record_failure(task, outcome, now)
            self._retry(task, now)

    def _begin(self, task: StoredTask, now: datetime) -> Attempt:
        message = task.message
        message.dispatch_count += 1
        if task.first_attempt_at is None:
            task.first_attempt_at = now
            message.first_attempt.dispatch_time.FromDatetime(now)
        message.last_attempt.Clear()
        message.last_attempt.schedule_time.CopyFrom(message.schedule_time)
        message.last_attempt.dispatch_time.FromDatetime(now)
        task.is_under_way = True
        self.in_flight += 1
        self.counts.dispatched += 1
        return Attempt(
            task=task,
            number=message.dispatch_count,
            scheduled_at=instant(message.schedule_time),
            execution_count=task.execution_count,
            previous_status=task.previous_status,
        )

    def _record_failure(self, task: StoredTask, outcome: Outcome, now: datetime) -> None:
        message = task.message
        message.last_attempt.response_time.FromDatetime(now)
        message.last_attempt.response_status.code = outcome.code
        message.last_attempt.response_status.message = outcome.text
        if outcome.was_answered:
            message.response_count += 1
        if outcome.counts_as_execution:
            task.execution_count += 1
        task.previous_status = outcome.http_status

    def _retry(self, task: StoredTask, now: datetime) -> None:
        message = task.message
        policy = self._policy
        if message.HasField("retry_config"):
            policy = RetryPolicy.of(
                overridden_retry_config(message.retry_config, self.config.retry_config)
            )
        next_at = policy.next_attempt_at(
            attempts=message.dispatch_count,
            first_attempt_at=task.first_attempt_at or now,
            now=now,
        )
        if next_at is None:
            self.counts.given_up += 1
            self._end(task, now)
            return
        message.schedule_time.FromDatetime(next_at)
        self._tasks.wait(task, next_at)

    def _end(self, task: StoredTask, now: datetime) -> None:
        self._tasks.remove(task)
        self._tombstones.bury(task.task_id, now)
