"""The rules of `infra.local.leash`."""

import signal
import subprocess
import sys
import time

import psutil

from infra.local.leash import Leash

_OWNER = """
import signal, subprocess, sys, time
from infra.local.leash import Leash
leash = Leash(grace_seconds=0.5)
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], process_group=0,
                         stdout=subprocess.PIPE, text=True)
leash.hold(child.pid, signal.SIGTERM)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""
_SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
_DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_SLEEPER}"


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_until_gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _is_running(pid)


def _child_of_killed_owner(code: str) -> int:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, code], stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert _is_running(pid)
        owner.kill()
    return pid


def test_a_child_ends_when_its_owner_is_killed() -> None:
    assert _wait_until_gone(_child_of_killed_owner(_SLEEPER), seconds=20)


def test_a_child_that_ignores_the_signal_is_killed() -> None:
    assert _wait_until_gone(_child_of_killed_owner(_DEAF), seconds=30)


def test_a_released_child_is_left_alone() -> None:
    child = subprocess.Popen([sys.executable, "-c", _SLEEPER], process_group=0)
    with child, Leash() as leash:
        leash.hold(child.pid, signal.SIGTERM)
        leash.release(child.pid)
        leash.close()
        assert child.poll() is None
        child.kill()
