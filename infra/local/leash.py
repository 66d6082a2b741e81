"""Ends the children of a process that died without ending them itself, even by SIGKILL.

A `Leash` starts this file as a small process of its own that knows the children and reads a
pipe from their parent. When the pipe ends, the parent is gone, and the children are ended.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

_GRACE_SECONDS = 8.0
_POLL_SECONDS = 0.05


class Leash:
    """Holds process groups that must not outlive this process."""

    def __init__(self, grace_seconds: float = _GRACE_SECONDS) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def hold(self, group: int, stop_signal: signal.Signals) -> None:
        """End process group `group` with `stop_signal`, later SIGKILL, when this process dies."""
        self._tell(f"+ {group} {int(stop_signal)}")

    def release(self, group: int) -> None:
        """Forget a process group whose leader has been waited for."""
        self._tell(f"- {group}")

    def close(self) -> None:
        """End what is still held, and the guard itself."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def _tell(self, line: str) -> None:
        if self._guard.stdin is not None:
            self._guard.stdin.write(line + "\n")
            self._guard.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def end_groups(groups: Iterable[tuple[int, int]], grace_seconds: float) -> None:
    """Signal each (process group, signal), and kill what is left after `grace_seconds`."""
    left = {group for group, number in groups if signal_group(group, number)}
    deadline = time.monotonic() + grace_seconds
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = {group for group in left if signal_group(group, 0)}
    for group in left:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether there was one to receive it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _guard(grace_seconds: float) -> None:
    held: dict[int, int] = {}
    for line in sys.stdin:
        verb, *numbers = line.split()
        if verb == "+":
            held[int(numbers[0])] = int(numbers[1])
        else:
            held.pop(int(numbers[0]), None)
    end_groups(held.items(), grace_seconds)


if __name__ == "__main__":
    _guard(float(sys.argv[1]))
