"""Lets processes of the product play parts: each does one duty, and dies or halts on its cue.

A crew decides by chance who dies when; here a test decides it, step by step. The processes are
forked by one that is small and has one thread (`stage_crew`), as those of `delivery` are.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from infra.local.leash import Leash
from shared.crash_points import CrashPoint
from tests.faults.delivery import Plan
from tests.faults.duties import Duties
from tests.faults.world import World

FROZEN = "frozen"
KILLED = "killed"
WAKE = signal.SIGUSR1
"""Lets go on whoever hangs."""

_ROOT = Path(__file__).resolve().parents[2]
_LAST_CHARS = 4_000
_SECONDS = 60.0
"""How long a process may take until it ends or halts."""


class Fate(StrEnum):
    """What happens to a process at its cue."""

    DIE = "die"
    """SIGKILL."""
    FREEZE = "freeze"
    """SIGSTOP: all of its threads halt, and the server keeps its connections."""
    HANG = "hang"
    """The same; once thawed it waits for `WAKE`, and its heartbeat goes on."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A crash point, and what happens to whoever comes to it."""

    point: CrashPoint
    fate: Fate


@dataclass(frozen=True, slots=True)
class Part:
    """What a process is to do in which world; everything in it can be pickled."""

    world: World
    plan: Plan
    act: Callable[[Duties], int]
    """Returns the exit code, as the methods of `Duties` do."""
    cue: Cue | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait until a process has ended or is frozen; the reply is how, or None if it is neither."""

    pid: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send a process a signal."""

    pid: int
    signal: signal.Signals


class Stage:
    """Where processes play their parts."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def start(self, part: Part) -> int:
        """Let a new process play a part; return its id."""
        return self._ask(part)

    def watch(self, pid: int) -> str:
        """Wait until a process is `FROZEN`, was `KILLED`, or has ended with an answer."""
        seen = self._ask(Watch(pid, _SECONDS))
        assert seen is not None, "a process is still at work"
        return seen

    def send(self, pid: int, sent: signal.Signals) -> None:
        """Send a process a signal."""
        self._ask(Send(pid, sent))

    def complaints(self) -> str:
        """Return the end of what the processes complained of."""
        return self._errors.read_text(errors="replace")[-_LAST_CHARS:]

    def _ask(self, request: Part | Watch | Send) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(request, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)  # noqa: S301 (our own child wrote it)


@contextmanager
def open_stage(errors: Path) -> Generator[Stage]:
    """Open a stage; what its processes complain of is added to a file. All end with the block."""
    with errors.open("ab") as log, Leash() as leash:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.stage_crew"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            process_group=0,
        )
        leash.hold(process.pid, signal.SIGKILL)
        with process:
            try:
                yield Stage(process, errors)
            finally:
                # All that it forked is in its group.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                leash.release(process.pid)
