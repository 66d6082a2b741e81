"""One process's worth of the product on a world, called step by step over a way that may fail."""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.domain import retry
from shared.domain.task import read_task
from shared.flow.attempt import Workshop, attempt_run
from shared.flow.patience import Patience
from shared.flow.tick import run_tick
from shared.flow.trigger import RunActiveError, trigger_schedule
from shared.gcp.task_queue import CloudTasksQueue
from shared.store.engine import PATIENT, Deadlines, create_engine_for
from tests.faults import ledger_connector
from tests.faults.invariants import unfinished
from tests.faults.patience import outlast_heartbeats
from tests.faults.table_queue import DueTask, TableQueue
from tests.faults.world import World
from tests.loopback import LOOPBACK

LEASE = timedelta(milliseconds=600)
SHORT = Deadlines(
    connect=timedelta(milliseconds=400),
    ping=timedelta(milliseconds=400),
    answer=timedelta(milliseconds=300),
    statement=timedelta(seconds=5),
    lock=timedelta(seconds=2),
    idle_in_transaction=timedelta(milliseconds=500),
)
"""For a way that goes silent: what takes half a minute in a deployment is over in a moment."""
ERROR = "error"
_PATIENCE = Patience(confirmation=LEASE, task=LEASE * 2, run=timedelta(hours=2))
_BUDGET = timedelta(seconds=20)
_RETRY_SOON = timedelta(milliseconds=100)
_DUE = "SELECT count(*) FROM sync_schedule WHERE next_scheduled_at <= now()"
_NAP_SECONDS = 0.02
_DRAIN_SECONDS = 60.0


@dataclass(slots=True)
class Hands:
    """Ticks, requests and deliveries in this process, one at a time.

    Each returns what it came to: an answer of the product, or `ERROR` when the database could not
    be asked, which an edge answers with 500. Any other exception is the test's failure.
    """

    world: World
    engine: Engine
    queue: TableQueue
    cloud: CloudTasksQueue | None = None
    """What the product hands tasks to, if not to `queue`."""
    look_ahead: timedelta = timedelta(seconds=1)
    now: Callable[[], datetime | None] = lambda: None
    """What the product is told of the time: nothing, or a clock that it should not trust."""
    asked: int = 0

    def tick(self) -> str:
        """Do one pass of the dispatcher."""
        return self._survive(self._tick)

    def request(self) -> str:
        """Ask for a run of one connector after the other; one that has a run is left alone."""
        return self._survive(self._request)

    def work(self, body: bytes) -> str:
        """Do what a worker does with the body of a task."""
        return self._survive(lambda: self._work(body))

    def attempt(self, task: DueTask) -> str:
        """Deliver a task that was taken, and answer it."""
        answer = self.work(task.body)
        self.queue.answer(task.name, done=answer != ERROR)
        return answer

    def deliver(self) -> Counter[str]:
        """Deliver every task whose time has come, until there is none; return the answers."""
        answers: Counter[str] = Counter()
        while tasks := self.queue.take(1):
            answers[self.attempt(tasks[0])] += 1
            if answers[ERROR]:
                break
        return answers

    def drain(self) -> Counter[str]:
        """Tick and deliver until every period has its run and every run its end.

        Returns the answers.
        """
        answers: Counter[str] = Counter()
        until = monotonic() + _DRAIN_SECONDS
        while unfinished(self.world) or self.world.rows(_DUE) != [(0,)]:
            assert monotonic() < until, "it does not drain"
            answers += Counter([self.tick()]) + self.deliver()
            sleep(_NAP_SECONDS)
        return answers

    def _survive(self, act: Callable[[], str]) -> str:
        try:
            return act()
        except DBAPIError:
            return ERROR

    def _tick(self) -> str:
        run_tick(
            self.engine,
            self._tasks(),
            look_ahead=self.look_ahead,
            budget=_BUDGET,
            patience=_PATIENCE,
            now=self.now(),
        )
        return "ticked"

    def _request(self) -> str:
        place = self.asked % len(self.world.schedules)
        self.asked += 1
        with suppress(RunActiveError):
            trigger_schedule(
                self.engine,
                self._tasks,
                self.world.owners[place],
                self.world.schedules[place],
            )
        return "asked"

    def _work(self, body: bytes) -> str:
        call = read_task(body)
        assert call is not None
        workshop = Workshop(
            engine=self.engine,
            queue=self._tasks(),
            key=None,
            dataset_url=self.world.dataset_url,
            lease=LEASE,
            guard=LOOPBACK,
        )
        return attempt_run(workshop, call, now=self.now()).value

    def _tasks(self) -> CloudTasksQueue:
        if self.cloud is not None:
            return self.cloud
        return self.queue  # pyright: ignore[reportReturnType] (it stands for Cloud Tasks)


@contextmanager
def hands_on(
    world: World, *, port: int | None = None, deadlines: Deadlines = PATIENT
) -> Generator[Hands, None, None]:
    """Work on a world for the length of the block; with `port`, the database is reached by it."""
    url = world.database_url if port is None else through(world.database_url, port)
    engine = create_engine_for(url, deadlines=deadlines)
    try:
        yield Hands(world, engine, TableQueue(world.queue_file))
    finally:
        outlast_heartbeats()
        engine.dispose()


def through(url: str, port: int) -> str:
    """Return the URL of a database of loopback by way of another port."""
    before, _, database = url.rpartition("/")
    return f"{before.rpartition(':')[0]}:{port}/{database}"


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Let every connector type be the one that keeps books, and attempts follow at once."""
    ledger_connector.install(patch.setattr)
    patch.setattr(retry, "BASE", _RETRY_SOON)
    patch.setattr(retry, "SHORTEST", _RETRY_SOON)
