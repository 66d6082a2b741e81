"""The process that forks dispatchers in waves, kills them, and keeps one worker at work.

First the waves, as the plan says; then ticks that nothing disturbs, until all is drained.
`dispatchers` starts it.
"""

import gc
import logging
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn

from shared.crash_points import CrashPoint, arm
from shared.flow.patience import Patience
from shared.flow.tick import run_tick
from shared.store.engine import create_engine_for
from tests.faults.delivery import Plan
from tests.faults.dispatchers import DispatchPlan, DispatchTally
from tests.faults.duties import Duties
from tests.faults.observer import Observer
from tests.faults.scale import share
from tests.faults.table_queue import TableQueue
from tests.faults.world import World

_WAVE = timedelta(minutes=1)
_LOOK_AHEAD = timedelta(seconds=90)
_BUDGET = timedelta(seconds=20)
# No task is lost here: whoever orders one anew has miscounted.
_PATIENCE = Patience(confirmation=_WAVE / 2, task=timedelta(days=1))
_LEASE = timedelta(seconds=20)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_CALM_TICKS = 5
_FIRST_SPAN = 0.03
_WEIGHT = 0.3
_NAP_SECONDS = 0.002
_LONG_NAP_SECONDS = 0.03


@dataclass(slots=True)
class Child:
    """A dispatcher that was forked, and where or when it is to die."""

    started: float
    point: CrashPoint | None = None
    kill_at: float | None = None

    @property
    def is_disturbed(self) -> bool:
        """Tell whether it is to die."""
        return self.point is not None or self.kill_at is not None


class DispatchCrew:
    """Waves of dispatchers, and a calm, over one world."""

    def __init__(self, world: World, plan: DispatchPlan) -> None:
        self._plan = plan
        self._world = world
        self._duties = Duties(world, Plan(plan.seed, lease=_LEASE, mutants=plan.mutants))
        self._engine = create_engine_for(world.database_url, pool_size=2)
        self._observer = Observer(world)
        self._tally = DispatchTally()
        self._span = _FIRST_SPAN
        self._ends = 0.0

    def run(self) -> DispatchTally:
        """Do all of it, within the plan's limit."""
        self._duties.warm()
        self._tick(_LONG_AGO)
        self._engine.dispose()
        gc.freeze()
        began = time.monotonic()
        self._ends = began + self._plan.limit.total_seconds()
        worker = _fork(self._work)
        try:
            for number in range(self._plan.waves):
                self._wave(number)
            self._calm()
        finally:
            os.kill(worker, signal.SIGKILL)
            _, status = os.waitpid(worker, 0)
        self._tally.errors += os.WIFEXITED(status)
        self._tally.seconds = time.monotonic() - began
        return self._tally

    def _wave(self, number: int) -> None:
        now = self._plan.first + number * _WAVE
        points = self._plan.points * self._plan.deaths
        children: dict[int, Child] = {}
        for _ in range(self._plan.at_once):
            child = self._decide(points[number] if number < len(points) else None)
            children[_fork(partial(self._tick, now), child.point)] = child
        self._wait(children)

    def _calm(self) -> None:
        """Tick undisturbed, as of now, until every run has its end."""
        while time.monotonic() < self._ends and self._tally.calm_ticks < _MOST_CALM_TICKS:
            self._tally.ticks += 1
            self._tally.calm_ticks += 1
            tick = partial(self._tick, None)
            self._wait({_fork(tick): Child(time.monotonic())})
            while self._has_tasks() and time.monotonic() < self._ends:
                time.sleep(_LONG_NAP_SECONDS)
            if self._observer.is_drained():
                self._tally.is_drained = True
                return

    def _has_tasks(self) -> bool:
        queue = TableQueue(self._world.folder / "queue")
        return queue.count("out") > 0 or any(
            task.schedule_time <= datetime.now(UTC) for task in queue.waiting()
        )

    def _decide(self, point: CrashPoint | None) -> Child:
        """Say what happens to the next dispatcher; without a point a hash of the seed chooses."""
        self._tally.ticks += 1
        seed, number = self._plan.seed, self._tally.ticks
        child = Child(time.monotonic(), point)
        if point is None and share(seed, "kill", number) < self._plan.kills:
            child.kill_at = child.started + share(seed, "when", number) * self._span
        return child

    def _wait(self, children: dict[int, Child]) -> None:
        """Kill those whose instant comes, until all have ended."""
        while children:
            now = time.monotonic()
            for pid, child in list(children.items()):
                if child.kill_at is not None and now >= child.kill_at:
                    os.kill(pid, signal.SIGKILL)
                    child.kill_at = None
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    self._note_end(children.pop(pid), status)
            time.sleep(_NAP_SECONDS)

    def _note_end(self, child: Child, status: int) -> None:
        if os.WIFEXITED(status):
            self._tally.errors += os.WEXITSTATUS(status) != 0
            if not child.is_disturbed:
                self._span += (time.monotonic() - child.started - self._span) * _WEIGHT
        elif child.point is None:
            self._tally.kills += 1
        else:
            self._tally.deaths[child.point] += 1

    def _tick(self, now: datetime | None) -> None:
        run_tick(
            self._engine,
            TableQueue(self._world.folder / "queue"),  # pyright: ignore[reportArgumentType] (it stands for Cloud Tasks)
            look_ahead=_LOOK_AHEAD,
            budget=_BUDGET,
            patience=_PATIENCE,
            now=now,
        )

    def _work(self) -> None:
        """Deliver one task after the other, until killed."""
        queue = TableQueue(self._world.folder / "queue")
        while True:
            tasks = queue.take(1)
            for task in tasks:
                self._duties.deliver(task.body)
                queue.answer(task.name, done=True)
            if not tasks:
                time.sleep(_LONG_NAP_SECONDS)


def _fork(act: Callable[[], object], point: CrashPoint | None = None) -> int:
    """Let a new process do something, or come to a crash point and die; return its id."""
    pid = os.fork()
    if pid == 0:
        _live(act, point)
    return pid


def _live(act: Callable[[], object], point: CrashPoint | None) -> NoReturn:
    code = 1
    try:
        arm(None if point is None else partial(_die_at, point))
        act()
        code = 0
    except BaseException:  # noqa: BLE001 (whatever it is: it is told, and the process ends)
        os.write(sys.stderr.fileno(), traceback.format_exc().encode())
    finally:
        os._exit(code)


def _die_at(wanted: CrashPoint, reached: CrashPoint) -> None:
    if reached is wanted:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Read the world and the plan, and leave the tally in the world's folder."""
    world, plan = pickle.load(sys.stdin.buffer)  # noqa: S301 (from the test that started us)
    logging.disable()
    tally = DispatchCrew(world, plan).run()
    (world.folder / "dispatch.tally").write_bytes(pickle.dumps(tally))


if __name__ == "__main__":
    main()
