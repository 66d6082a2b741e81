"""Starts, watches and ends the processes that a command runs side by side."""

import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from infra.local.leash import Leash, signal_group
from shared.errors import SynclineError

_LAST_LINES = 15
_GRACE_SECONDS = 8.0
_POLL_SECONDS = 0.05

Show = Callable[[str, str], None]
"""Takes the name of a child and one line that it wrote, without its line end."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, under which name; `env` is the child's whole environment.

    `may_finish` says that exit code 0 is the end of its work and no crash.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    may_finish: bool = False


class ChildCrashedError(SynclineError):
    """A child ended by itself; the message names it, how it ended and what it said last."""

    code = "child_crashed"


class NotReadyError(SynclineError):
    """Something that was started did not become ready in its time."""

    code = "not_ready"


@dataclass(slots=True)
class _Child:
    name: str
    process: subprocess.Popen[str]
    may_finish: bool
    last_lines: deque[str] = field(default_factory=lambda: deque[str](maxlen=_LAST_LINES))
    reader: threading.Thread | None = None


@dataclass(frozen=True, slots=True)
class _Watched:
    process: subprocess.Popen[bytes]
    last_words: Callable[[], str]


class Supervisor:
    """Holds child processes, each the leader of a process group, until its `with` block ends.

    Not to be shared by threads. What a child writes to either stream goes to `show`, line by
    line, from a thread of its own, but never two lines at once.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self._showing = threading.Lock()
        self._children: dict[str, _Child] = {}
        self._watched: dict[str, _Watched] = {}
        self._leash = Leash()

    def start(self, command: Command) -> None:
        """Start a child; its name must not be in use."""
        with _signals_held_back():
            process = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=command.env,
                cwd=command.folder,
                # Ctrl-C of a terminal must reach us alone; we end the children in order.
                process_group=0,
            )
            self._leash.hold(process.pid, signal.SIGTERM)
            child = _Child(command.name, process, command.may_finish)
            self._children[command.name] = child
        child.reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        child.reader.start()

    def watch(
        self, name: str, process: subprocess.Popen[bytes], last_words: Callable[[], str]
    ) -> None:
        """Count the end of a process that somebody else started, and ends, as a crash too."""
        self._watched[name] = _Watched(process, last_words)

    def check(self) -> None:
        """Raise `ChildCrashedError` if a child has ended by itself."""
        for name, watched in self._watched.items():
            if watched.process.poll() is not None:
                raise _crash(name, watched.process.returncode, watched.last_words())
        for child in self._children.values():
            code = child.process.poll()
            if code is not None and not (code == 0 and child.may_finish):
                self._drain(child)
                raise _crash(child.name, code, "\n".join(child.last_lines))

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until `ready()`; raise `NotReadyError` naming `what`, or `ChildCrashedError`."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise NotReadyError(f"{what} was not ready after {seconds:.0f} seconds.")
            time.sleep(_POLL_SECONDS)

    def wait(self) -> None:
        """Wait until a child crashes, and raise that; only a signal ends this otherwise."""
        while True:
            self.check()
            time.sleep(_POLL_SECONDS)

    def end(self, name: str) -> None:
        """End one child and wait for it."""
        self._end([self._children.pop(name)])

    def close(self) -> None:
        """End every child: SIGTERM, and SIGKILL for those that stay."""
        with _signals_held_back():
            children = list(self._children.values())
            self._children.clear()
            self._end(children)
            self._leash.close()

    def _end(self, children: Sequence[_Child]) -> None:
        for child in children:
            signal_group(child.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        for child in children:
            try:
                child.process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
            # What a child left behind in its group goes with it.
            signal_group(child.process.pid, signal.SIGKILL)
            self._leash.release(child.process.pid)
            self._drain(child)

    def _read(self, child: _Child) -> None:
        if child.process.stdout is None:
            return
        with child.process.stdout as stream:
            for line in stream:
                child.last_lines.append(line.rstrip())
                with self._showing:  # print itself mixes the lines of threads
                    self._show(child.name, line.rstrip())

    def _drain(self, child: _Child) -> None:
        # Bounded: a grandchild may hold the stream open after the child is gone.
        if child.reader is not None:
            child.reader.join(timeout=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def signals_as_interrupts() -> Generator[None, None, None]:
    """Let SIGTERM and SIGHUP raise `KeyboardInterrupt`, as Ctrl-C does, within the block.

    SIGINT as well: whoever was started in the background by a shell ignores it.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _signals_held_back() -> Generator[None, None, None]:
    """Deliver SIGINT, SIGTERM and SIGHUP only after the block, so that no child is lost in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in arrived[:1]:
            signal.raise_signal(number)


def _crash(name: str, returncode: int, last_words: str) -> ChildCrashedError:
    if returncode < 0:
        how = f"was killed by {signal.Signals(-returncode).name}"
    else:
        how = f"ended by itself with exit code {returncode}"
    said = f"; its last lines were:\n{last_words}" if last_words.strip() else " and said nothing."
    return ChildCrashedError(f"{name} {how}{said}")
