"""The process that forks whoever plays a part, and tells what became of them; `stage` starts it."""

import gc
import logging
import os
import pickle
import signal
import sys
import time
import traceback
from functools import partial
from importlib import import_module
from typing import NoReturn

from shared.crash_points import CrashPoint, arm
from shared.store.engine import create_engine_for
from tests.faults.duties import ERROR, Duties, answer_of
from tests.faults.stage import FROZEN, KILLED, WAKE, Cue, Fate, Part, Send, Watch

_REAL = "shared.connectors.database.sync"
_NAP_SECONDS = 0.002


def main() -> None:
    """Do what comes in, and reply, until nothing does any more."""
    logging.disable()
    # The driver is imported here, not by each process that is forked.
    create_engine_for("postgresql+pg8000://nobody@localhost/nothing").dispose()
    gc.freeze()
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301 (from the test that started us)
        except EOFError:
            return
        pickle.dump(_reply(request), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _reply(request: Part | Watch | Send) -> int | str | None:
    match request:
        case Part():
            return _fork(request)
        case Watch():
            return _watch(request)
        case Send():
            os.kill(request.pid, request.signal)
            return None


def _fork(part: Part) -> int:
    if part.plan.is_real and _REAL not in sys.modules:
        import_module(_REAL)  # here once: it is slow
        gc.freeze()
    pid = os.fork()
    if pid == 0:
        _live(part)
    return pid


def _live(part: Part) -> NoReturn:
    code = ERROR
    try:
        duties = Duties(part.world, part.plan)
        if part.cue is not None:
            arm(partial(_meet, part.cue))
        code = part.act(duties)
    except BaseException:  # noqa: BLE001 (whatever it is: it is told, and the process ends)
        os.write(sys.stderr.fileno(), traceback.format_exc().encode())
    finally:
        os._exit(code)


def _meet(cue: Cue, reached: CrashPoint) -> None:
    if reached is not cue.point:
        return
    arm(None)
    match cue.fate:
        case Fate.DIE:
            os.kill(os.getpid(), signal.SIGKILL)
        case Fate.FREEZE:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Fate.HANG:
            woken: list[int] = []
            signal.signal(WAKE, lambda number, _: woken.append(number))
            os.kill(os.getpid(), signal.SIGSTOP)
            while not woken:
                time.sleep(_NAP_SECONDS)


def _watch(watch: Watch) -> str | None:
    until = time.monotonic() + watch.seconds
    while time.monotonic() < until:
        pid, status = os.waitpid(watch.pid, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            time.sleep(_NAP_SECONDS)
        elif os.WIFSTOPPED(status):
            return FROZEN
        else:
            return KILLED if os.WIFSIGNALED(status) else answer_of(os.WEXITSTATUS(status))
    return None


if __name__ == "__main__":
    main()
