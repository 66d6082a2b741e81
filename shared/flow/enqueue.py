"""Enqueue: give waiting runs the free places of their workspaces, then hand them to Cloud Tasks.

The run's row is the outbox: it is committed with its place before the task is made, so that a
task never speaks of a run that is not there, and a crash in between loses nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from shared.crash_points import CrashPoint, reach
from shared.domain.run import task_id
from shared.domain.task import TaskFailure, TaskOrder
from shared.flow.patience import USUAL, Patience
from shared.logs import class_and_place, log_event
from shared.store.engine import single_statements
from shared.store.runs import (
    AdmittedRun,
    TakenTask,
    admit_runs,
    mark_enqueued,
    runs_wanting_a_task,
    skip_overlapping,
)

if TYPE_CHECKING:
    # At run time it comes with grpc, which the api loads only when something is triggered.
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_PAGE = 1_000
PAGE_OF_WORKSPACE = 20
"""What somebody who waits for an answer waits for; the next tick does the rest."""


@dataclass(frozen=True, slots=True)
class EnqueueReport:
    """How many runs got a task, and how many tasks Cloud Tasks did not take."""

    enqueued: int = 0
    failures: int = 0
    is_complete: bool = True


def enqueue_due(
    engine: Engine,
    queue: "CloudTasksQueue",
    now: datetime,
    look_ahead: timedelta,
    has_time: Callable[[], bool],
    patience: Patience = USUAL,
) -> EnqueueReport:
    """Enqueue every admissible run that starts by `now + look_ahead`, until the time is over.

    Runs that waited for a place while their connector was busy are skipped before. Runs whose task
    was never confirmed come first: their dispatcher was cut off in between.
    """
    if not has_time():
        return EnqueueReport(is_complete=False)
    with single_statements(engine) as connection:
        skip_overlapping(connection, now=now, page=_PAGE)
        forgotten = runs_wanting_a_task(
            connection, now=now, patience=patience.confirmation, page=_PAGE
        )
    enqueued, failures = enqueue_runs(engine, queue, forgotten, now=now)
    while has_time():
        with single_statements(engine) as connection:
            admitted = admit_runs(connection, now=now, horizon=now + look_ahead, page=_PAGE)
        reach(CrashPoint.ADMITTED)
        taken, refused = enqueue_runs(engine, queue, admitted, now=now)
        enqueued, failures = enqueued + taken, failures + refused
        # When Cloud Tasks takes nothing, the rest waits in the table for the next tick.
        if len(admitted) < _PAGE or taken == 0:
            return EnqueueReport(enqueued, failures)
    return EnqueueReport(enqueued, failures, is_complete=False)


def enqueue_workspace(
    engine: Engine,
    open_queue: "Callable[[], CloudTasksQueue]",
    workspace_id: int,
    *,
    now: datetime,
    horizon: datetime,
) -> int:
    """Enqueue what one workspace has room for of its runs that start by `horizon`, at once.

    Whatever finds no room waits in the table for its turn. So does what fails, of whatever cause:
    what its caller did is committed, and has to be told as done. Returns how many got a task: after
    a full `PAGE_OF_WORKSPACE` there may be room for more.
    """
    try:
        return _enqueue_admitted(engine, open_queue, workspace_id, now=now, horizon=horizon)
    except Exception as error:  # noqa: BLE001 (also the queue's library: the tick does it then)
        log_event(
            _log,
            logging.ERROR,
            "enqueue_put_off",
            "The tasks of a workspace's runs wait for a later tick",
            workspace_id=workspace_id,
            error_class=class_and_place(error),
        )
        return 0


def _enqueue_admitted(
    engine: Engine,
    open_queue: "Callable[[], CloudTasksQueue]",
    workspace_id: int,
    *,
    now: datetime,
    horizon: datetime,
) -> int:
    with single_statements(engine) as connection:
        admitted = admit_runs(
            connection, now=now, horizon=horizon, page=PAGE_OF_WORKSPACE, workspace_id=workspace_id
        )
    if not admitted:
        return 0
    taken, _ = enqueue_runs(engine, open_queue(), admitted, now=None)
    return taken


def enqueue_runs(
    engine: Engine,
    queue: "CloudTasksQueue",
    runs: Sequence[AdmittedRun],
    *,
    now: datetime | None,
) -> tuple[int, int]:
    """Make the tasks of admitted runs; return how many were taken and how many were not."""
    if not runs:
        return 0, 0
    by_public_id = {run.public_id: run for run in runs}
    taken: list[TakenTask] = []
    failures: list[TaskFailure] = []
    for result in queue.enqueue([_order(run) for run in runs]):
        match result:
            case TaskOrder():
                run = by_public_id[result.run]
                taken.append(TakenTask(run.id, run.generation, queue.task_name(result)))
            case TaskFailure():
                failures.append(result)
    reach(CrashPoint.TASKS_MADE)
    if taken:
        with single_statements(engine) as connection:
            mark_enqueued(connection, taken, now)
        reach(CrashPoint.ENQUEUED)
    if failures:
        log_event(
            _log,
            logging.ERROR,
            "enqueue_failed",
            "Cloud Tasks did not take some tasks; their runs stay and are tried again",
            failures=len(failures),
            first_error=failures[0].error,
            first_run_id=failures[0].order.run,
        )
    return len(taken), len(failures)


def _order(run: AdmittedRun) -> TaskOrder:
    return TaskOrder(
        run=run.public_id,
        workspace=run.workspace_public_id,
        generation=run.generation,
        task_id=task_id(run.idempotency_key, run.generation),
        is_interactive=run.trigger_type.is_interactive,
        schedule_time=run.not_before_at,
    )
