"""Tasks: the values that pass to Cloud Tasks, and what a task says to a worker."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

DISPATCH_DEADLINE = timedelta(minutes=30)
"""How long Cloud Tasks waits for the worker: the most it allows, and more than a slice takes."""

WARM_UP_PATH = "/warm-up"
"""Beside the worker's URL: a call of it imports what a sync needs, and starts none."""

LOOK_PATH = "/look"
"""Beside the worker's URL: a call of it looks at connectors that nothing was heard of for long."""

MAX_BODY_BYTES = 1_024
"""A task's body holds ids only; whatever is longer is none of ours."""


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """Which run, under which task id, on which queue, not before when."""

    run: UUID
    workspace: UUID
    generation: int
    task_id: str
    is_interactive: bool
    schedule_time: datetime


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """A task that Cloud Tasks did not take; its run stays in the table and is tried again."""

    order: TaskOrder
    error: str


@dataclass(frozen=True, slots=True)
class TaskCall:
    """What a task says: its run, and what it believes of it, which the lease compares.

    None stands for what the task does not say: one made by an older version names the run alone.
    """

    run: UUID
    workspace: UUID | None = None
    generation: int | None = None


def write_task(order: TaskOrder) -> bytes:
    """Return the body of an order's task."""
    body = {
        "run_id": str(order.run),
        "workspace_id": str(order.workspace),
        "generation": order.generation,
    }
    return json.dumps(body).encode()


def read_task(body: bytes) -> TaskCall | None:
    """Read the body of a task; return None for whatever is not one."""
    if len(body) > MAX_BODY_BYTES:
        return None
    try:
        value: Any = json.loads(body)
        workspace, generation = value.get("workspace_id"), value.get("generation")
        call = TaskCall(
            run=UUID(value["run_id"]),
            workspace=None if workspace is None else UUID(workspace),
            generation=generation,
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    return call if _is_generation(generation) else None


def _is_generation(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value < 2**31)
