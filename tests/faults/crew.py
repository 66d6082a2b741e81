"""The process that forks workers and dispatchers, and kills and freezes them.

It plays Cloud Tasks (what is not answered comes again), Cloud Scheduler (ticks), the sources (they
grow) and people (they ask for runs, and cancel, disable and delete). First a storm, as the plan
says; then a calm, in which everything has to drain, and each connector has one more run. `delivery`
starts it.
"""

import gc
import logging
import os
import pickle
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NoReturn

from shared.crash_points import CrashPoint, arm
from tests.faults.delivery import Plan, Tally
from tests.faults.duties import ERROR, Duties, answer_of
from tests.faults.fates import Child, Fates, Kind, Span
from tests.faults.observer import Observer
from tests.faults.people import choose, perform, restore
from tests.faults.scale import share
from tests.faults.table_queue import DueTask, TableQueue
from tests.faults.world import World

_NAP_SECONDS = 0.002
_NO_PATIENCE = timedelta(0)
_ASK_SECONDS = 0.1
_HALT_SECONDS = 120.0
"""A run that was rescued waits behind all that were due before."""
_MOST_FROZEN = 20
"""Each keeps up to three connections, and the server has a hundred."""
_HANG_SECONDS = 200.0


class Crew:
    """A storm and a calm over one world."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._plan = plan
        self._world = world
        self._duties = Duties(world, plan)
        self._queue = TableQueue(world.queue_file, plan.queue, patience=_NO_PATIENCE)
        self._observer = Observer(world)
        self._fates = Fates(plan)
        self._span = Span()
        self._children: dict[int, Child] = {}
        self._answers: deque[tuple[str, bool]] = deque()
        self._tally = Tally()
        self._started = 0
        self._is_calm = False
        self._has_ticked = False
        self._next_tick = 0.0
        self._next_question = 0.0
        self._limit = 0.0

    def run(self) -> Tally:
        """Do all of it, within the plan's limit."""
        self._duties.warm()
        gc.freeze()
        began = time.monotonic()
        self._limit = began + self._plan.limit.total_seconds()
        try:
            self._tally.is_drained = self._storm() and self._calm() and self._drain()
        finally:
            self._kill_all()
        self._tally.seconds = time.monotonic() - began
        return self._tally

    def _storm(self) -> bool:
        """Drain; while deaths are left over that had a chance, everybody asks for another run."""
        left = self._fates.left
        is_drained = self._drain()
        while is_drained and 0 < self._fates.left < left:
            left = self._fates.left
            self._request_all()
            is_drained = self._drain()
        return is_drained

    def _calm(self) -> bool:
        """End the faults, then let every source grow and everybody ask for a run."""
        self._is_calm = True
        self._duties.calm()
        if not self._drain():
            return False
        if self._plan.people:
            self._fork(Child(Kind.PERSON), partial(restore, self._duties, self._world))
            if not self._drain():
                return False
        self._observer.grow_all(self._plan.seed)
        self._request_all()
        return True

    def _request_all(self) -> None:
        everything = range(len(self._world.schedules))
        self._fork(Child(Kind.REQUEST), partial(self._duties.request, everything))

    def _drain(self) -> bool:
        """Go on until no run is unfinished and no process at work; False when it takes too long."""
        while time.monotonic() < self._limit:
            self._reap()
            self._act()
            self._tick()
            self._deliver()
            if self._is_quiet():
                return True
            time.sleep(_NAP_SECONDS)
        return False

    def _is_quiet(self) -> bool:
        now = time.monotonic()
        at_work = any(child.kind is not Kind.TICK for child in self._children.values())
        if at_work or not self._has_ticked or now < self._next_question:
            return False
        self._next_question = now + _ASK_SECONDS
        return self._observer.is_drained()

    def _deliver(self) -> None:
        awake = sum(child.thaw_at is None for child in self._children.values())
        if awake >= self._plan.workers:
            return
        for task in self._take(self._plan.workers - awake):
            if not self._is_calm:
                self._let_time_pass()
            self._tally.duplicates += task.at_once - 1 + task.is_again
            for _ in range(task.at_once):
                self._tally.workers += 1
                self._fork(Child(Kind.WORKER, task), partial(self._duties.deliver, task.body))

    def _take(self, most: int) -> list[DueTask]:
        """Pass on the answers, then take tasks; later, while a frozen process has the queue."""
        with suppress(sqlite3.OperationalError):
            while self._answers:
                name, is_done = self._answers[0]
                self._queue.answer(name, done=is_done)
                self._answers.popleft()
            return self._queue.take(most)
        return []

    def _let_time_pass(self) -> None:
        seed, number = self._plan.seed, self._started
        if share(seed, "grow", number) < self._plan.growth:
            self._observer.grow_one(seed, number)
        if share(seed, "request", number) < self._plan.requests:
            place = self._place("whose", number)
            self._tally.requests += 1
            self._fork(Child(Kind.REQUEST), partial(self._duties.request, [place]))
        if share(seed, "person", number) < self._plan.people:
            act, place = choose(seed, number), self._place("touched", number)
            self._tally.acts[act] += 1
            self._fork(Child(Kind.PERSON), partial(perform, self._duties, self._world, act, place))

    def _place(self, what: str, number: int) -> int:
        return int(share(self._plan.seed, what, number) * len(self._world.schedules))

    def _tick(self) -> None:
        now = time.monotonic()
        if now < self._next_tick:
            return
        self._next_tick = now + self._plan.lease.total_seconds()
        is_twin = share(self._plan.seed, "twin", self._started) < self._plan.tick_twins
        for _ in range(2 if is_twin and not self._is_calm else 1):
            self._tally.ticks += 1
            self._fork(Child(Kind.TICK), self._duties.tick)

    def _fork(self, child: Child, act: Callable[[], int]) -> None:
        self._started += 1
        if not self._is_calm:
            frozen = sum(each.may_freeze for each in self._children.values())
            self._fates.decide(
                child, self._started, self._span.seconds, may_freeze=frozen < _MOST_FROZEN
            )
        pid = os.fork()
        if pid == 0:
            _live(child, act)
        self._children[pid] = child

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                self._note_frozen(self._children[pid])
            else:
                self._note_end(self._children.pop(pid), status)

    def _note_frozen(self, child: Child) -> None:
        self._tally.freezes += 1
        self._fates.note_reached(child)
        child.epoch = self._observer.lease_held(child.task)
        wait = _HALT_SECONDS if child.is_halted else self._plan.frozen.total_seconds()
        child.thaw_at = time.monotonic() + wait

    def _note_end(self, child: Child, status: int) -> None:
        is_killed = os.WIFSIGNALED(status)
        answer = "killed" if is_killed else answer_of(os.WEXITSTATUS(status))
        if is_killed:
            self._note_death(child)
        if answer == "error":
            self._tally.errors[child.kind] += 1
        if child.kind is Kind.TICK and not is_killed:
            self._has_ticked = True
            self._fates.note_planned()
        if child.task is None:
            return
        self._tally.answers[answer] += 1
        if child.is_zombie:
            self._tally.zombies[answer] += 1
        if answer == "recorded" and not child.is_disturbed:
            self._span.note(time.monotonic() - child.started)
        self._answers.append((child.task.name, answer not in ("killed", "error")))

    def _note_death(self, child: Child) -> None:
        self._tally.kills[child.kind] += 1
        if child.point is not None:
            self._fates.note_reached(child)
            self._tally.deaths[child.point] += 1

    def _act(self) -> None:
        """Kill, freeze and thaw those whose instant has come."""
        now = time.monotonic()
        for pid, child in self._children.items():
            if child.thaw_at is not None:
                self._thaw(pid, child, child.thaw_at)
            elif child.kill_at is not None and now >= child.kill_at:
                os.kill(pid, signal.SIGKILL)
                child.kill_at = None
            elif child.freeze_at is not None and now >= child.freeze_at:
                os.kill(pid, signal.SIGSTOP)
                child.freeze_at = None
            elif now > child.started + _HANG_SECONDS:
                raise TimeoutError(f"a {child.kind} hangs: {child}")

    def _thaw(self, pid: int, child: Child, thaw_at: float) -> None:
        now = time.monotonic()
        if now < child.look_at:
            return
        child.look_at = now + _ASK_SECONDS
        if child.epoch is not None and not child.is_zombie:
            child.is_zombie = self._observer.is_overtaken(child.epoch)
        if now >= thaw_at or (child.is_halted and child.is_zombie):
            child.thaw_at = None
            os.kill(pid, signal.SIGCONT)

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)
        self._children.clear()


def _live(child: Child, act: Callable[[], int]) -> NoReturn:
    """Be a forked process: do what it is for, and never return into the crew's code."""
    code = ERROR
    try:
        if child.point is not None:
            arm(partial(_end_at, child.point, child.is_halted))
        code = act()
    except BaseException:  # noqa: BLE001 (whatever it is: it is told, and the process ends)
        os.write(sys.stderr.fileno(), traceback.format_exc().encode())
    finally:
        os._exit(code)


def _end_at(wanted: CrashPoint, is_halted: bool, reached: CrashPoint) -> None:
    if reached is wanted:
        arm(None)
        os.kill(os.getpid(), signal.SIGSTOP if is_halted else signal.SIGKILL)


def main() -> None:
    """Read the world and the plan, and leave the tally beside the queue."""
    world, plan = pickle.load(sys.stdin.buffer)  # noqa: S301 (from the test that started us)
    logging.disable()
    # What a killed worker leaves goes with the world.
    tempfile.tempdir = str(world.folder)
    tally = Crew(world, plan).run()
    (world.folder / "tally").write_bytes(pickle.dumps(tally))


if __name__ == "__main__":
    main()
