"""Scenes in which a source reports a change, and the run that was to read it does not."""

from collections.abc import Callable
from functools import partial
from time import sleep

from shared.crash_points import CrashPoint
from tests.faults import acts, hook_acts
from tests.faults.duties import Duties
from tests.faults.play import Play
from tests.faults.stage import Cue, Fate
from tests.faults.world import World

_ROUNDS = 5
_MOMENT_SECONDS = 0.2
"""Longer than the dispatcher waits before it looks at what is unread."""
_UNREAD = "SELECT connector_id FROM unread_change"
_ONE_ATTEMPT = "UPDATE workspace_connector_sync_log SET max_attempts = 1"


def a_run_that_covers_a_report_is_cancelled(play: Play) -> None:
    """Let somebody ask for a run, which will read what changed, and cancel it."""
    _listen(play)
    play.request()
    _report(play)
    play.start(partial(acts.cancel_all, world=play.world)).wait()
    _hear(play)


def a_worker_that_reads_a_report_is_killed_in_the_last_attempt(play: Play) -> None:
    """Let nobody ask for another run."""
    _listen(play)
    _report(play)
    play.execute(_ONE_ATTEMPT)
    play.deliver(play.task(), Cue(CrashPoint.LEASED, Fate.DIE))
    play.rescue()
    _hear(play)


def a_change_is_reported_while_a_run_reads(play: Play) -> None:
    """Cancel the run that was to read it; the one that has read what changed before succeeds."""
    _listen(play)
    _report(play)
    reading = play.deliver(play.task(), Cue(CrashPoint.READ, Fate.FREEZE))
    _report(play)
    play.start(partial(acts.cancel_waiting, world=play.world)).wait()
    reading.go_on()
    _hear(play)


def a_change_is_reported_of_a_disabled_connector(play: Play) -> None:
    """Enable it when the dispatcher has found that nothing of it may run."""
    _listen(play)
    _do(play, hook_acts.disable)
    _report(play)
    sleep(_MOMENT_SECONDS)
    play.tick()
    _do(play, hook_acts.enable)
    _hear(play)


def _listen(play: Play) -> None:
    play.drain()
    _do(play, hook_acts.listen)


def _report(play: Play) -> None:
    play.grow(4)
    _do(play, hook_acts.report)


def _hear(play: Play) -> None:
    """Let dispatchers and workers go on until all that was reported is read, or it never will."""
    for _ in range(_ROUNDS):
        if not play.world.rows(_UNREAD):
            return
        play.drain()


def _do(play: Play, act: Callable[[Duties, World], int]) -> None:
    play.start(partial(act, world=play.world)).wait()
