"""A play on a stage: a world with one connector, the processes in it, and what went wrong."""

import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic, sleep

from tests.faults import acts, real_loads
from tests.faults.delivery import Plan
from tests.faults.duties import Duties
from tests.faults.invariants import broken_at_rest, broken_now
from tests.faults.mutations import Patch, name_of
from tests.faults.stage import FROZEN, KILLED, WAKE, Cue, Part, Stage
from tests.faults.table_queue import DueTask, TableQueue
from tests.faults.world import World, grow, open_world, use_datasets_of_dlt

_LEASE = timedelta(milliseconds=200)
BRIEF_PATIENCE = timedelta(milliseconds=400)
"""With tasks, where one is lost: elsewhere a busy machine would lose what is only late."""
_SECONDS = 30.0
_NAP_SECONDS = 0.01
_HELD = """
SELECT id FROM workspace_connector_sync_log
WHERE status = 'in_progress' AND lease_expires_at >= now()
"""


class Actor:
    """A process that plays a part of a scene."""

    answer: str | None = None
    """How it ended, once it has."""

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
            self.answer = seen
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

    def use_real_loads(self, *hurries: Callable[[Patch], None]) -> None:
        """Let the connector be the database connector, not the one that keeps books.

        It loads soon, and does what else hurries it.
        """
        use_datasets_of_dlt(self.world)
        names = [name_of(hurry) for hurry in (real_loads.load_soon, *hurries)]
        self.plan = replace(self.plan, is_real=True, mutants=(*names, *self.plan.mutants))

    @contextmanager
    def trouble(self, trouble: Callable[[Patch], None]) -> Generator[None, None, None]:
        """Let the source be in trouble for whoever is started within the block."""
        plan = self.plan
        self.plan = replace(plan, mutants=(name_of(trouble), *plan.mutants))
        yield
        self.plan = plan

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
        self.start(acts.request).wait()

    def deliver(self, task: DueTask, cue: Cue | None = None) -> Actor:
        """Let a worker serve a task until it ends or comes to its cue."""
        worker = self.start(partial(acts.deliver, body=task.body), cue, task)
        worker.wait()
        return worker

    def task(self, *, ticks: bool = False) -> DueTask:
        """Return the next task that is due; with `ticks` a dispatcher is at work until one is."""
        until = monotonic() + _SECONDS
        while not (tasks := self.queue.take(1)):
            assert monotonic() < until, "no task is due"
            if ticks:
                self.tick()
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

    def lose_patience(self) -> None:
        """Let a dispatcher take every task for lost that is on its way."""
        patient = self.plan
        self.plan = replace(patient, patience=BRIEF_PATIENCE)
        sleep(BRIEF_PATIENCE.total_seconds())
        self.tick()
        self.plan = patient

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
        self.start(partial(acts.drain, world=self.world, pause=_LEASE)).wait()

    def demand(self, rule: str, *, holds: bool) -> None:
        """Note a rule that only the scene can tell of, if it does not hold."""
        if not holds:
            self.broken.add(rule)

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
