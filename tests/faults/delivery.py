"""Deliver a world's runs while workers and dispatchers are killed, frozen and doubled.

The crew that forks them is a process of its own, small and with one thread: it is started here,
told what to do, and watched from here by the invariants.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg2

from infra.local.leash import Leash, signal_group
from shared.crash_points import CrashPoint
from tests.faults.invariants import Violation, broken_at_rest, broken_now
from tests.faults.report import Result
from tests.faults.table_queue import QueueFaults
from tests.faults.world import World

_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 1.0
_NAP_SECONDS = 0.05
_REST = 9
"""How much longer the observer rests than it looks."""
_LAST_CHARS = 4_000
_CANCELLED = """
SELECT reason, count(*) FROM workspace_connector_sync_log WHERE status = 'cancelled' GROUP BY reason
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to the runs of a world. Shares are of the processes that are started."""

    seed: int
    lease: timedelta = timedelta(milliseconds=500)
    slice: timedelta = timedelta(seconds=10)
    workers: int = 6
    """How many processes work at a time, the frozen ones not counted."""
    kills: float = 0.0
    """SIGKILL at a random instant of a worker's life."""
    tick_kills: float = 0.0
    """The same for dispatchers."""
    tick_twins: float = 0.0
    """Two dispatchers at the same moment."""
    freezes: float = 0.0
    """SIGSTOP at a random instant, and SIGCONT after `frozen`."""
    frozen: timedelta = timedelta(milliseconds=1_500)
    growth: float = 0.2
    """The share of deliveries before which a source grows."""
    requests: float = 0.0
    """The share of deliveries before which somebody asks for a run."""
    people: float = 0.0
    """The share of deliveries before which somebody cancels, disables, enables or deletes."""
    deaths: Mapping[CrashPoint, int] = field(default_factory=dict[CrashPoint, int])
    """How many processes die at each crash point."""
    halts: Mapping[CrashPoint, int] = field(default_factory=dict[CrashPoint, int])
    """How many processes are frozen at each crash point, until their run is another's, or over."""
    queue: QueueFaults = field(default_factory=QueueFaults)
    is_real: bool = False
    """Use the database connector, not the one that keeps books."""
    mutants: tuple[str, ...] = ()
    """What breaks the product on purpose: `module:function`, called before the first fork."""
    database_url: str | None = None
    """Where workers and dispatchers find the product's database, if not at `World.database_url`."""
    dataset_url: str | None = None
    """Where workers find the datasets, if not at `World.dataset_url`."""
    patience: timedelta = timedelta(seconds=2)
    """After which the dispatcher takes a task that did not come for lost."""
    limit: timedelta = timedelta(minutes=4)
    """After which the whole thing counts as stuck."""


@dataclass(slots=True)
class Tally:
    """What happened."""

    workers: int = 0
    ticks: int = 0
    requests: int = 0
    acts: Counter[str] = field(default_factory=Counter[str])
    """What people did, as far as they came."""
    kills: Counter[str] = field(default_factory=Counter[str])
    """By what was killed: worker, tick, request, person."""
    freezes: int = 0
    duplicates: int = 0
    is_drained: bool = False
    answers: Counter[str] = field(default_factory=Counter[str])
    """How workers answered; `error` is what an edge would answer 500 to."""
    errors: Counter[str] = field(default_factory=Counter[str])
    """Processes that an exception ended, by what they were: its text is in the errors."""
    deaths: Counter[CrashPoint] = field(default_factory=Counter[CrashPoint])
    zombies: Counter[str] = field(default_factory=Counter[str])
    """How workers answered that were frozen until their run was another's, or over."""
    seconds: float = 0.0
    runs: int = 0
    rescues: int = 0
    lost_tasks: int = 0
    slices: int = 0
    cancelled: Counter[str] = field(default_factory=Counter[str])
    """Runs that were cancelled, by their reasons."""
    violations: list[Violation] = field(default_factory=list[Violation])

    def as_result(self, scenario: str) -> Result:
        """Return the line of the results that tells of it."""
        return Result(
            scenario=scenario,
            seconds=self.seconds,
            violations=len(self.violations),
            runs=self.runs,
            processes=self.workers + self.ticks + self.requests + self.acts.total(),
            kills=self.kills.total(),
            freezes=self.freezes,
            duplicates=self.duplicates,
            rescues=self.rescues,
            lost_tasks=self.lost_tasks,
        )


class DeliveryError(Exception):
    """The crew itself came to an end that no plan foresees."""


class Delivery:
    """A crew at work."""

    def __init__(self, world: World, plan: Plan, process: subprocess.Popen[bytes]) -> None:
        self._world = world
        self._plan = plan
        self._process = process
        self._violations: dict[str, Violation] = {}

    def is_under_way(self) -> bool:
        """Tell whether the crew is still at work."""
        return self._end(os.WNOHANG) is None

    def watch(self) -> None:
        """Look at the rules that hold at every moment; while the database is away, at none."""
        try:
            found = broken_now(self._world, self._plan.lease)
        except psycopg2.OperationalError:
            return
        for violation in found:
            self._violations.setdefault(violation.rule, violation)

    def finish(self) -> Tally:
        """Wait until all faults are over and everything drained; return what happened."""
        while self.is_under_way():
            began = time.monotonic()
            self.watch()
            ended = time.monotonic()
            rest_until = ended + max(_POLL_SECONDS, (ended - began) * _REST)
            while self.is_under_way() and time.monotonic() < rest_until:
                time.sleep(_NAP_SECONDS)
        tally = self._tally()
        for violation in broken_at_rest(self._world, self._plan.lease):
            self._violations.setdefault(violation.rule, violation)
        tally.violations = list(self._violations.values())
        return _with_counts(self._world, tally)

    def _tally(self) -> Tally:
        end = self._end()
        if end is None or (end.si_code, end.si_status) != (os.CLD_EXITED, 0):
            raise DeliveryError(f"the crew ended with {end}: {self.errors()}")
        tally: Tally = pickle.loads((self._world.folder / "tally").read_bytes())  # noqa: S301 (our own child wrote it)
        return tally

    def _end(self, options: int = 0) -> os.waitid_result | None:
        # It is not reaped: until its group has got its signal, its id must be nobody else's.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | options)

    def errors(self) -> str:
        """Return the end of what the crew and its processes complained of."""
        return (self._world.folder / "errors.log").read_text(errors="replace")[-_LAST_CHARS:]


@contextmanager
def delivering(world: World, plan: Plan) -> Generator[Delivery]:
    """Start a crew; whatever is left of it when the block ends is killed."""
    with (world.folder / "errors.log").open("ab") as errors, Leash() as leash:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crew"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            process_group=0,
        )
        leash.hold(process.pid, signal.SIGKILL)
        try:
            assert process.stdin is not None
            with process.stdin as pipe:
                pipe.write(pickle.dumps((world, plan)))
            yield Delivery(world, plan, process)
        finally:
            # All that it forked is in its group.
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
            leash.release(process.pid)


def deliver(world: World, plan: Plan) -> Tally:
    """Deliver everything and return what happened."""
    with delivering(world, plan) as delivery:
        return delivery.finish()


def _with_counts(world: World, tally: Tally) -> Tally:
    [(tally.runs, tally.slices)] = world.rows(
        "SELECT count(*) FILTER (WHERE started_at IS NOT NULL), sum(slices)"
        " FROM workspace_connector_sync_log"
    )
    tally.cancelled = Counter(dict(world.rows(_CANCELLED)))
    kinds = Counter(dict(world.rows("SELECT kind, count(*) FROM sync_log_event GROUP BY kind")))
    tally.rescues, tally.lost_tasks = kinds["lease_expired"], kinds["task_lost"]
    return tally
