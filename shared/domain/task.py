"""A task to be made: the values that pass between the flow and Cloud Tasks."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """Which run, under which task id, on which queue, not before when."""

    run: UUID
    task_id: str
    is_interactive: bool
    schedule_time: datetime


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """A task that Cloud Tasks did not take; its run stays in the table and is tried again."""

    order: TaskOrder
    error: str
