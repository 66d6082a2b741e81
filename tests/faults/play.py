"""A play on a stage: a world with one connector, the processes in it, and what went wrong."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any

from shared.flow import attempt as attempt_flow
from shared.flow import plan as plan_flow
from shared.flow.plan import plan_due
from shared.flow.schedules import Planner, change_schedule
from tests.faults.delivery import Plan
from tests.faults.duties import Duties
from tests.faults.invariants import broken_at_rest, broken_now, unfinished
from tests.faults.stage import FROZEN, KILLED, WAKE, Cue, Part, Stage
from tests.faults.table_queue import DueTask, TableQueue
from tests.faults.world import CADENCE, World, grow, open_world, use_datasets_of_dlt

_LEASE = timedelta(milliseconds=200)
_LONGEST = timedelta(milliseconds=300)
_LOAD_WAIT = timedelta(milliseconds=500)
_LOOK_AHEAD = timedelta(seconds=1)
_SECONDS = 30.0
_NAP_SECONDS = 0.01
_ROUNDS = 8
"""Ticks, a lease apart, after which what has no end yet gets none: several times what it takes."""
_DONE = 0
_HELD = """
SELECT id FROM workspace_connector_sync_log
WHERE status = 'in_progress' AND lease_expires_at >= now()
"""


class Actor:
    """A process that plays a part of a scene."""

    def __init__(self, play: "Play", pid: int, task: DueTask | None) -> None:
        self._play = play
        self._pid = pid
        self._task = task
        self._is_frozen = False

    def wait(self) -> None:
        """Wait until it halts or ends; a task that it had is answered then."""
        seen = self._play.stage.watch(self._pid)
        self._is_frozen = seen == FROZEN
        if not self._is_frozen:
            self._play.note_end(seen, self._task)
        self._play.look()

    def thaw(self) -> None:
        """Let it go on, and not wait for it."""
        self._play.stage.send(self._pid, signal.SIGCONT)

    def go_on(self) -> None:
        """Thaw it if it is frozen, and wait until it ends."""
        if self._is_frozen:
            self.thaw()
            self.wait()

    def wake(self) -> None:
        """Let it go on that was to hang and was thawed, and wait until it ends."""
        self._play.stage.send(self._pid, WAKE)
        self.wait()


class Play:
    """A world with one connector on a stage, and what went wrong in it."""

    def __init__(self, stage: Stage, world: World, mutants: Sequence[str]) -> None:
        self.stage = stage
        self.world = world
        self.plan = Plan(seed=0, lease=_LEASE, mutants=tuple(mutants))
        self.queue = TableQueue(world.queue_file)
        self.broken: set[str] = set()
        """Rules, and what broke them."""
        self.errors = 0
        """How many processes an exception ended."""

    def use_real_loads(self) -> None:
        """Let the connector be the database connector, not the one that keeps books."""
        use_datasets_of_dlt(self.world)
        hurry = f"{load_soon.__module__}:{load_soon.__name__}"
        self.plan = replace(self.plan, is_real=True, mutants=(hurry, *self.plan.mutants))

    def start(
        self,
        act: Callable[[Duties], int],
        cue: Cue | None = None,
        task: DueTask | None = None,
    ) -> Actor:
        """Let a process do something."""
        return Actor(self, self.stage.start(Part(self.world, self.plan, act, cue)), task)

    def tick(self, cue: Cue | None = None) -> None:
        """Let a dispatcher do one pass."""
        self.start(Duties.tick, cue).wait()

    def request(self) -> None:
        """Ask for a run of the connector."""
        self.start(request).wait()

    def deliver(self, task: DueTask, cue: Cue | None = None) -> Actor:
        """Let a worker serve a task until it ends or comes to its cue."""
        worker = self.start(partial(deliver, body=task.body), cue, task)
        worker.wait()
        return worker

    def task(self) -> DueTask:
        """Return the next task that is due."""
        until = monotonic() + _SECONDS
        while not (tasks := self.queue.take(1)):
            assert monotonic() < until, "no task is due"
            sleep(_NAP_SECONDS)
        return tasks[0]

    def outlast_leases(self) -> None:
        """Wait until no lease is held any more."""
        until = monotonic() + _SECONDS
        while self.world.rows(_HELD):
            assert monotonic() < until, "somebody keeps a lease"
            sleep(_NAP_SECONDS)

    def rescue(self) -> None:
        """Let a dispatcher take back the runs of silent workers."""
        self.outlast_leases()
        self.tick()

    def grow(self, records: int, *, step: int = 1, again: Sequence[int] = ()) -> None:
        """Let time pass in the source."""
        with closing(open_world(self.world.dataset_url)) as connection:
            grow(connection, self.world.connectors[0], records=records, step=step, again=again)

    def execute(self, statement: str) -> None:
        """Change something behind the product's back."""
        with closing(open_world(self.world.dataset_url)) as connection:
            connection.cursor().execute(statement)

    def drain(self) -> None:
        """Tick and deliver until every run has its end, or none can be expected any more."""
        self.start(partial(drain, world=self.world)).wait()

    def note_end(self, answer: str, task: DueTask | None) -> None:
        """Note how a process ended, and answer its task."""
        self.errors += answer == "error"
        if task is not None:
            self.queue.answer(task.name, done=answer not in (KILLED, "error"))

    def look(self) -> None:
        """Note which rules are broken at this moment."""
        self.broken |= {str(violation) for violation in broken_now(self.world, self.plan.lease)}

    def look_at_rest(self) -> None:
        """Note which rules are broken when all is over."""
        self.broken |= {str(violation) for violation in broken_at_rest(self.world, self.plan.lease)}


def load_soon(patch: Callable[[object, str, object], None]) -> None:
    """Let a real load wait for its turn as briefly as the connector that keeps books."""
    from shared.connectors import runner  # noqa: PLC0415 (dlt is slow to import)

    patch(runner.run_streams, "__kwdefaults__", {"load_wait": _LOAD_WAIT})


def request(duties: Duties) -> int:
    """Ask for a run of the connector."""
    return duties.request([0])


def deliver(duties: Duties, body: bytes) -> int:
    """Serve a task."""
    return duties.deliver(body)


def deliver_briefly(duties: Duties, body: bytes) -> int:
    """Serve a task that lives for a moment only."""
    attempt_flow.LONGEST_ATTEMPT = _LONGEST
    return duties.deliver(body)


def drain(duties: Duties, world: World) -> int:
    """Tick and deliver until every run has its end, or none can be expected any more."""
    queue = TableQueue(world.queue_file)
    for _ in range(_ROUNDS):
        sleep(_LEASE.total_seconds())
        duties.tick()
        while tasks := queue.take(1):
            duties.deliver(tasks[0].body)
            queue.answer(tasks[0].name, done=True)
        if not unfinished(world):
            break
    return _DONE


def freeze_before_the_claim(duties: Duties) -> int:
    """Tick, and halt while what is due is decided and locked, and not claimed."""
    write = plan_flow.write_plans

    def freeze_and_write(*values: Any) -> tuple[int, int]:
        os.kill(os.getpid(), signal.SIGSTOP)
        return write(*values)

    plan_flow.write_plans = freeze_and_write
    return duties.tick()


def plan_and_change(duties: Duties, world: World) -> int:
    """Plan a period that is far from reached; change its schedule, which still names it."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    at = hour + 2 * CADENCE - _LOOK_AHEAD / 2
    plan_due(duties._engine, at, _LOOK_AHEAD, lambda: True)
    planner = Planner(duties._engine, duties._queue, _LOOK_AHEAD)
    change_schedule(
        planner, world.owners[0], world.schedules[0], {"missed_run_policy": "run_once"}, now=at
    )
    return _DONE
