"""A process of its own that ticks and works on a world when it is told to, for its own clock.

It reads a line for each errand and answers with one; `errand_boy` starts it.
"""

import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.local.leash import Leash
from shared.clock import utc_now
from tests.faults import ledger_connector
from tests.faults.hands import Hands, hands_on, hurry
from tests.faults.world import World

_ROOT = Path(__file__).resolve().parents[2]
_LOAD_WAIT = timedelta(seconds=30)
"""Nobody else loads: only a server that is slow to forget a connection keeps a load waiting."""


class ErrandBoy:
    """The process, seen from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def clock(self) -> datetime:
        """Return what time it thinks it is."""
        return datetime.fromisoformat(self._send("clock"))

    def tick(self) -> str:
        """Let it do one pass of the dispatcher; return what it came to."""
        return self._send("tick")

    def work(self, body: bytes) -> str:
        """Let it do what a worker does with the body of a task; return its answer."""
        return self._send("work", body.decode())

    def _send(self, errand: str, body: str = "") -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([errand, body]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return str(json.loads(line))


@contextmanager
def errand_boy(world: World, *, trusts_clock: bool = False) -> Generator[ErrandBoy, None, None]:
    """Start a process and end it afterwards; it gets this one's environment.

    With `trusts_clock` the product is told the time by its clock: what it must never rely on.
    """
    with (
        Leash() as leash,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.errands"),
                pickle.dumps((world, trusts_clock)).hex(),
            ],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        leash.hold(process.pid, signal.SIGKILL)
        try:
            yield ErrandBoy(process)
        finally:
            process.kill()
            process.wait()
            leash.release(process.pid)


def main() -> None:
    """Run errands until there are no more."""
    world, trusts_clock = pickle.loads(bytes.fromhex(sys.argv[1]))  # noqa: S301 (of our test)
    with pytest.MonkeyPatch.context() as patch, hands_on(world) as hands:
        hurry(patch)
        patch.setattr(ledger_connector, "_LOAD_WAIT", _LOAD_WAIT)
        if trusts_clock:
            hands.now = utc_now
        for line in sys.stdin:
            print(json.dumps(_run(hands, *json.loads(line))), flush=True)


def _run(hands: Hands, errand: str, body: str) -> str:
    match errand:
        case "clock":
            return utc_now().isoformat()
        case "tick":
            return hands.tick()
        case "work":
            return hands.work(body.encode())
        case _:
            raise ValueError(errand)


if __name__ == "__main__":
    main()
