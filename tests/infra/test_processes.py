"""The rules of `infra.local.processes`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.local.processes import (
    ChildCrashedError,
    Command,
    NotReadyError,
    Supervisor,
    signals_as_interrupts,
)

_SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
_RUNNER = f"""
import os, sys
from pathlib import Path
from infra.local.processes import Command, Supervisor, signals_as_interrupts
with signals_as_interrupts(), Supervisor(lambda name, line: print(name, line, flush=True)) as s:
    for name in ("one", "two"):
        code = "import os; print(os.getpid(), flush=True);" + {_SLEEPER!r}
        s.start(Command(name, [sys.executable, "-c", code], dict(os.environ), Path.cwd()))
    try:
        s.wait()
    except KeyboardInterrupt:
        print("stopping", flush=True)
"""


@pytest.fixture
def lines() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def supervisor(lines: list[tuple[str, str]]) -> Iterator[Supervisor]:
    with Supervisor(lambda name, line: lines.append((name, line))) as supervisor:
        yield supervisor


def _python(name: str, code: str) -> Command:
    return Command(name, [sys.executable, "-c", code], dict(os.environ), Path.cwd())


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _all_end(pids: list[int], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(_is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(_is_running, pids))


def test_the_lines_of_a_child_are_shown_under_its_name(
    supervisor: Supervisor, lines: list[tuple[str, str]]
) -> None:
    supervisor.start(
        _python("talker", f"import sys; print('æ', file=sys.stderr, flush=True); {_SLEEPER}")
    )
    supervisor.wait_until(lambda: len(lines) == 2, 20, "the child")

    assert lines == [("talker", "æ"), ("talker", "up")]


def test_lines_of_children_that_write_at_once_are_shown_one_after_the_other() -> None:
    parts: list[str] = []

    def show(name: str, _line: str) -> None:
        parts.append(name)
        time.sleep(0.0001)  # as good as a switch of threads within a print
        parts.append(name)

    with Supervisor(show) as supervisor:
        for name in ("one", "two", "three"):
            supervisor.start(
                _python(name, f"for _ in range(100): print('x', flush=True)\n{_SLEEPER}")
            )
        supervisor.wait_until(lambda: len(parts) == 2 * 3 * 101, 20, "the lines")

    assert parts[::2] == parts[1::2]


def test_a_crashed_child_is_named_with_its_exit_code_and_last_lines(
    supervisor: Supervisor,
) -> None:
    supervisor.start(_python("sound", _SLEEPER))
    supervisor.start(_python("broken", "print('no such thing'); raise SystemExit(3)"))

    with pytest.raises(ChildCrashedError) as caught:
        supervisor.wait()

    assert str(caught.value) == (
        "broken ended by itself with exit code 3; its last lines were:\nno such thing"
    )


def test_a_killed_child_is_named_with_the_signal(
    supervisor: Supervisor, lines: list[tuple[str, str]]
) -> None:
    supervisor.start(_python("victim", f"import os; print(os.getpid(), flush=True); {_SLEEPER}"))
    supervisor.wait_until(lambda: bool(lines), 20, "the child")
    os.kill(int(lines[0][1]), signal.SIGKILL)

    with pytest.raises(ChildCrashedError, match="victim was killed by SIGKILL"):
        supervisor.wait()


def test_a_watched_process_that_ends_counts_as_a_crash(supervisor: Supervisor) -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(4)"]) as process:
        supervisor.watch("elsewhere", process, lambda: "out of disk")

        with pytest.raises(ChildCrashedError, match=r"elsewhere ended .* code 4.*\nout of disk"):
            supervisor.wait()


def test_waiting_for_what_never_comes_ends_in_its_time(supervisor: Supervisor) -> None:
    with pytest.raises(NotReadyError, match="the moon was not ready after 0 seconds"):
        supervisor.wait_until(lambda: False, 0, "the moon")


def test_a_child_ended_on_purpose_is_no_crash(supervisor: Supervisor) -> None:
    supervisor.start(_python("done", _SLEEPER))
    supervisor.end("done")

    supervisor.check()


def test_a_child_that_may_finish_is_no_crash_unless_it_fails(
    supervisor: Supervisor, lines: list[tuple[str, str]]
) -> None:
    supervisor.start(replace(_python("feeder", "print('all done')"), may_finish=True))
    supervisor.wait_until(lambda: bool(lines), 20, "the child")
    supervisor.start(replace(_python("failing", "raise SystemExit(5)"), may_finish=True))

    with pytest.raises(ChildCrashedError, match="failing ended by itself with exit code 5"):
        supervisor.wait()


def test_what_a_child_started_ends_with_it(
    supervisor: Supervisor, lines: list[tuple[str, str]]
) -> None:
    code = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {_SLEEPER!r}], stdout=subprocess.DEVNULL);"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    supervisor.start(_python("parent", code))
    supervisor.wait_until(lambda: bool(lines), 20, "the child")
    supervisor.end("parent")

    assert _all_end([int(lines[0][1])])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_child_outlives_its_runner(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RUNNER], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        said = [runner.stdout.readline().split() for _ in range(4)]
        runner.send_signal(number)
        runner.wait()
    pids = [int(words[1]) for words in said if words[1] != "up"]

    assert len(pids) == 2
    assert _all_end(pids)
    assert runner.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 0)


def test_signals_are_as_before_outside_of_the_block() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals_as_interrupts():
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler

    assert signal.getsignal(signal.SIGTERM) is before
