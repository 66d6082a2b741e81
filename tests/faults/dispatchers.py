"""Dispatchers that die in the middle of a tick, alone and many at once, and what must come of it.

The crew that forks them is a process of its own, as that of `delivery` is.
"""

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from infra.local.leash import Leash, signal_group
from shared.crash_points import CrashPoint
from shared.domain.run import task_id
from shared.domain.task import TaskCall, read_task
from tests.faults.report import Result
from tests.faults.world import World

OF_A_TICK = (
    CrashPoint.TICK_BEGUN,
    CrashPoint.RESCUED,
    CrashPoint.PAGE_PLANNED,
    CrashPoint.PLANNED,
    CrashPoint.ADMITTED,
    CrashPoint.TASKS_MADE,
    CrashPoint.ENQUEUED,
    CrashPoint.TICK_DONE,
)
"""Where a tick can be cut off, in the order in which it comes there."""

_ROOT = Path(__file__).resolve().parents[2]
_RUNS = """
SELECT
    r.workspace_connector_sync_log_id, r.idempotency_key, r.status, r.task_generation, r.attempt,
    (
        SELECT string_agg(e.kind, ' ' ORDER BY e.kind) FROM sync_log_event AS e
        WHERE e.run_id = r.id AND e.kind <> 'enqueued'
    ) AS events,
    (
        SELECT count(*) FROM sync_log_event AS e WHERE e.run_id = r.id AND e.kind = 'enqueued'
    ) AS confirmations
FROM workspace_connector_sync_log AS r
"""
_ONCE = ("success", 0, 1, "planned started succeeded")


@dataclass(frozen=True, slots=True)
class DispatchPlan:
    """What happens to dispatchers. The product's clock is the plan's: a wave is a minute of it."""

    seed: int
    first: datetime
    """The instant as of which the first wave ticks."""
    waves: int
    at_once: int
    """How many dispatchers a wave has."""
    points: tuple[CrashPoint, ...] = OF_A_TICK
    deaths: int = 0
    """How many waves die at each of `points`: all dispatchers that come to it. These come first."""
    kills: float = 0.0
    """The share of dispatchers of the other waves that get SIGKILL at a random instant."""
    mutants: tuple[str, ...] = ()
    """What breaks the product on purpose: `module:function`, called before the first fork."""
    limit: timedelta = timedelta(minutes=2)
    """After which the whole thing counts as stuck."""


@dataclass(slots=True)
class DispatchTally:
    """What happened."""

    ticks: int = 0
    kills: int = 0
    """At random instants."""
    deaths: Counter[CrashPoint] = field(default_factory=Counter[CrashPoint])
    calm_ticks: int = 0
    """How many it took after the last wave until everything was drained."""
    is_drained: bool = False
    errors: int = 0
    """Processes that an exception ended."""
    seconds: float = 0.0

    def as_result(self, scenario: str, world: World, *, violations: int) -> Result:
        """Return the line of the results that tells of it."""
        [(runs,)] = world.rows("SELECT count(*) FROM workspace_connector_sync_log")
        return Result(
            scenario=scenario,
            seconds=self.seconds,
            violations=violations,
            runs=runs,
            processes=self.ticks,
            kills=self.kills + self.deaths.total(),
        )


def dispatch(world: World, plan: DispatchPlan) -> tuple[DispatchTally, str]:
    """Let the plan happen; return what did, and what the processes complained of."""
    log, result = world.folder / "dispatch.log", world.folder / "dispatch.tally"
    with log.open("wb") as errors, Leash() as leash:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.dispatch_crew"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            process_group=0,
        )
        leash.hold(process.pid, signal.SIGKILL)
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(pickle.dumps((world, plan)))
            # While it is not reaped, the id of its group can be nobody else's.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            # All that it forked is in its group.
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
            leash.release(process.pid)
    said = log.read_text(errors="replace")
    assert process.returncode == 0, said
    return pickle.loads(result.read_bytes()), said  # noqa: S301 (our own child wrote it)


def not_once(world: World) -> list[str]:
    """Return the runs that were not planned, tasked, started and ended exactly once, and how.

    Each has one task, which is of generation 0 and named after it. Its confirmation may be missing:
    a run that was over before its dispatcher could note the task needs none.
    """
    made = _tasks_made(world)
    wrong: list[str] = []
    for run, key, *was, events, confirmations in world.rows(_RUNS):
        tasks = made.pop(UUID(run), [])
        if (*was, events) != _ONCE or confirmations > 1 or tasks != [(0, task_id(key, 0))]:
            wrong.append(f"{key}: {was} {events} {confirmations} {tasks}")
    return wrong + [f"a task of no run: {run}" for run in made]


def _tasks_made(world: World) -> dict[UUID, list[tuple[int | None, str]]]:
    """Return the generation and id of every task that was ever made, by run."""
    with closing(sqlite3.connect(world.folder / "queue")) as connection:
        rows = connection.execute("SELECT name, body FROM task ORDER BY name").fetchall()
    made: dict[UUID, list[tuple[int | None, str]]] = {}
    for name, body in rows:
        call = _read(body)
        made.setdefault(call.run, []).append((call.generation, name.rpartition("/")[2]))
    return made


def _read(body: bytes) -> TaskCall:
    call = read_task(body)
    assert call is not None, body
    return call
