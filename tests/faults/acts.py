"""What a process of a scene does: serve a task, tick, change something, and halt on the way."""

import os
import signal
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any
from uuid import UUID

from shared.flow import attempt as attempt_flow
from shared.flow import plan as plan_flow
from shared.flow.cancel import cancel_run
from shared.flow.enqueue import enqueue_due
from shared.flow.plan import plan_due
from shared.flow.retire import disable_connector, enable_connector
from shared.flow.schedules import change_schedule
from tests.faults.duties import DONE, LOOK_AHEAD, Duties
from tests.faults.invariants import unfinished
from tests.faults.table_queue import TableQueue
from tests.faults.world import CADENCE, World

_LONGEST = timedelta(milliseconds=300)
_ROUNDS = 12
"""Ticks after which what has no end yet gets none: several times what it takes."""
_UNFINISHED = """
SELECT CAST(workspace_connector_sync_log_id AS text) FROM workspace_connector_sync_log
WHERE status IN ('scheduled', 'in_progress') ORDER BY id
"""
_WAITING = """
SELECT CAST(workspace_connector_sync_log_id AS text) FROM workspace_connector_sync_log
WHERE status = 'scheduled' ORDER BY id
"""


def request(duties: Duties) -> int:
    """Ask for a run of the connector."""
    return duties.request([0])


def deliver(duties: Duties, body: bytes) -> int:
    """Serve a task."""
    return duties.deliver(body)


def deliver_briefly(duties: Duties, body: bytes) -> int:
    """Serve a task that lives for a moment only."""
    attempt_flow.LONGEST_ATTEMPT = _LONGEST
    return duties.deliver(body)


def drain(duties: Duties, world: World, pause: timedelta) -> int:
    """Tick and deliver until every run has its end, or none can be expected any more.

    A `pause` comes before each tick.
    """
    queue = TableQueue(world.queue_file)
    for _ in range(_ROUNDS):
        sleep(pause.total_seconds())
        duties.tick()
        while tasks := queue.take(1):
            duties.deliver(tasks[0].body)
            queue.answer(tasks[0].name, done=True)
        if not unfinished(world):
            break
    return DONE


def freeze_before_the_claim(duties: Duties) -> int:
    """Tick, and halt while what is due is decided and locked, and not claimed."""
    write = plan_flow.write_plans

    def freeze_and_write(*values: Any) -> tuple[int, int]:
        os.kill(os.getpid(), signal.SIGSTOP)
        return write(*values)

    plan_flow.write_plans = freeze_and_write
    return duties.tick()


def plan_and_change(duties: Duties, world: World) -> int:
    """Plan a period that is far from reached; change its schedule, which still names it."""
    at = _before_a_period()
    plan_due(duties.engine, at, LOOK_AHEAD, lambda: True)
    change_schedule(
        duties.planner(),
        world.owners[0],
        world.schedules[0],
        {"missed_run_policy": "run_once"},
        now=at,
    )
    return DONE


def plan_a_period(duties: Duties) -> int:
    """Plan a period that is far from reached, and make its task."""
    at = _before_a_period()
    plan_due(duties.engine, at, LOOK_AHEAD, lambda: True)
    enqueue_due(duties.engine, duties.open_queue(), at, LOOK_AHEAD, lambda: True)
    return DONE


def disable_and_enable(duties: Duties, world: World) -> int:
    """Disable the connector before that period is reached, and enable it again."""
    at, whose = _before_a_period(), (world.owners[0], world.connectors[0])
    disable_connector(duties.planner(), *whose, now=at)
    enable_connector(duties.planner(), *whose, now=at)
    return DONE


def cancel_all(duties: Duties, world: World) -> int:
    """Cancel every run that has no end yet."""
    for (run,) in world.rows(_UNFINISHED):
        cancel_run(duties.desk, duties.open_queue, world.owners[0], UUID(run))
    return DONE


def cancel_waiting(duties: Duties, world: World) -> int:
    """Cancel every run that waits."""
    for (run,) in world.rows(_WAITING):
        cancel_run(duties.desk, duties.open_queue, world.owners[0], UUID(run))
    return DONE


def put_back_late(duties: Duties, body: bytes) -> int:
    """Serve a task, and halt when its run may not start and was not yet sent back to wait."""
    put_back = attempt_flow.put_run_back

    def freeze_and_put_back(*values: Any, **named: Any) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        put_back(*values, **named)

    attempt_flow.put_run_back = freeze_and_put_back
    return duties.deliver(body)


def _before_a_period() -> datetime:
    """Return an instant shortly before the period after the next."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return hour + 2 * CADENCE - LOOK_AHEAD / 2
