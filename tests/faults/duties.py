"""What a process of the crew does: one delivery, one tick, or asking for runs."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from infra.local.logins import with_login
from shared.domain import retry, unread
from shared.domain.outcome import failed
from shared.domain.task import TaskCall, read_task
from shared.errors import ConflictError, ForbiddenError, NotFoundError
from shared.flow import plan as plan_flow
from shared.flow.attempt import AttemptResult, Workshop, attempt_run
from shared.flow.patience import Patience
from shared.flow.schedules import Planner
from shared.flow.tick import run_tick
from shared.flow.trigger import RunActiveError, trigger_schedule
from shared.flow.warmth import Instance
from shared.store import hooks as hooks_store
from shared.store import unread as unread_store
from shared.store.attempts import extend_lease, record_outcome
from shared.store.engine import create_engine_for, single_statements
from shared.store.runs import TakenTask, mark_enqueued
from shared.store.tenancy import DatabaseRole
from tests.faults import ledger_connector
from tests.faults.delivery import Plan
from tests.faults.quick_driver import learn_once
from tests.faults.table_queue import QueueFaults, TableQueue
from tests.faults.world import World
from tests.loopback import LOOPBACK

if TYPE_CHECKING:
    # It comes with grpc, with which a process is slow to fork.
    from shared.gcp.task_queue import CloudTasksQueue

ERROR = 1
"""What a process ends with that an exception left."""
_NO_RUN = -1
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_ANSWER = 10
DONE = 0
LOOK_AHEAD = timedelta(seconds=1)
_BUDGET = timedelta(seconds=20)
_SCHEDULES_A_PAGE = 8
REFUSALS = (ConflictError, ForbiddenError, NotFoundError)
"""What people are told: it is so already, it is disabled, it is gone."""
_RETRY_SOON = timedelta(milliseconds=100)


def answer_of(code: int) -> str:
    """Return what a process answered, by its exit code."""
    if code >= _FIRST_ANSWER:
        return list(AttemptResult)[code - _FIRST_ANSWER].value
    return "error" if code else "done"


class Duties:
    """The product's code, on an engine that is made and warmed before the first fork."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._lease = plan.lease
        self._slice = plan.slice
        self._patience = Patience(
            confirmation=plan.lease, task=plan.patience, run=timedelta(hours=2)
        )
        url = plan.database_url or world.database_url
        # Workers and dispatchers by their login, with its rights; people by another.
        self.engine = create_engine_for(
            with_login(url, "worker"), pool_size=2, role=DatabaseRole.SYSTEM
        )
        self.desk = create_engine_for(url, pool_size=2)
        self._dataset_url = plan.dataset_url or world.dataset_url
        self._faults = plan.queue
        # Without people nothing is disabled and nothing gone.
        self._refusals = REFUSALS if plan.people else (RunActiveError,)
        self._prepare(plan)

    def warm(self) -> None:
        """Do once what every process would else do first, and leave no connection open."""
        Instance().note_alive(self.engine)  # or every tick would order a warm-up
        self.tick(now=_LONG_AGO)
        self.work(TaskCall(uuid4()))
        with single_statements(self.engine) as connection:
            extend_lease(connection, _NO_RUN, 0, lease=self._lease, now=None)
            outcome = failed("internal", "nothing")
            record_outcome(connection, _NO_RUN, 0, outcome, (), attempt=1, now=None)
            mark_enqueued(connection, [TakenTask(_NO_RUN, 0, "none")], None)
        self.engine.dispose()

    def calm(self) -> None:
        """Let the queue make no more faults."""
        self._faults = QueueFaults()

    def deliver(self, body: bytes) -> int:
        """Do what the worker does with a task; return the exit code that says how it ended."""
        call = read_task(body)
        assert call is not None
        return self.work(call)

    def work(self, call: TaskCall) -> int:
        """Attempt the run of a call."""
        workshop = Workshop(
            engine=self.engine,
            queue=self.open_queue(),
            key=None,
            dataset_url=self._dataset_url,
            lease=self._lease,
            slice=self._slice,
            guard=LOOPBACK,
        )
        result = attempt_run(workshop, call)
        return _FIRST_ANSWER + list(AttemptResult).index(result)

    def tick(self, now: datetime | None = None) -> int:
        """Do one pass of the dispatcher, as of now by the database's clock."""
        run_tick(
            self.engine,
            self.open_queue(),
            look_ahead=LOOK_AHEAD,
            budget=_BUDGET,
            patience=self._patience,
            now=now,
        )
        return DONE

    def request(self, places: Sequence[int]) -> int:
        """Ask for a run of each of these connectors that has none active and may have one."""
        for place in places:
            with suppress(*self._refusals):
                trigger_schedule(
                    self.desk,
                    self.open_queue,
                    self._world.owners[place],
                    self._world.schedules[place],
                )
        return DONE

    def planner(self) -> Planner:
        """Return what changes of schedules and connectors work with."""
        return Planner(self.desk, self.open_queue, LOOK_AHEAD)

    def open_queue(self) -> "CloudTasksQueue":
        """Return what the product takes for Cloud Tasks."""
        # It stands for it, as the contract that both keep proves.
        return cast("CloudTasksQueue", TableQueue(self._world.queue_file, self._faults))

    def _prepare(self, plan: Plan) -> None:
        """Hurry what waits for minutes, put the connector in place, then the mutants."""
        retry.BASE, retry.SHORTEST = _RETRY_SOON, _RETRY_SOON
        unread._FIRST_WAIT = unread.LOOK_AFTER = _RETRY_SOON
        hooks_store.LOOK_AFTER = unread_store.LOOK_AFTER = _RETRY_SOON
        plan_flow._PAGE = _SCHEDULES_A_PAGE  # so that a tick plans several pages
        learn_once(setattr)
        if plan.is_real:
            import_module("shared.connectors.database.sync")  # before the forks: it is slow
        else:
            ledger_connector.install(setattr)
        for mutant in plan.mutants:
            module, _, name = mutant.partition(":")
            getattr(import_module(module), name)(setattr)
