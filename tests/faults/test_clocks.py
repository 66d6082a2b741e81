"""Clocks that are hours off: only the database's decides when anything happens."""

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from time import sleep
from typing import Any

import pytest

from shared.flow.attempt import AttemptResult
from tests.faults.clock_scenes import CONNECTORS, set_scene
from tests.faults.clocked_queues import deployed
from tests.faults.conftest import MakeWorld
from tests.faults.errands import ErrandBoy, errand_boy
from tests.faults.hands import ERROR, LEASE, hurry
from tests.faults.invariants import broken_now
from tests.faults.scale import rounds
from tests.faults.table_queue import TableQueue
from tests.faults.world import World, open_world
from tests.faults.wrong_clocks import WrongClock, libfaketime, wrong_clock

__all__ = ["libfaketime", "wrong_clock"]  # fixtures
MOMENT = timedelta(seconds=1)
"""Longer than a first attempt is waited after."""
_EARLY = timedelta(seconds=2)
"""What a worker tolerates: so much may Cloud Tasks' clock be ahead of the database's."""
_INSERT = """
INSERT INTO workspace_connector_sync_log (
    workspace_id, connector_id, schedule_id, trigger_type, idempotency_key, not_before_at
)
SELECT workspace_id, connector_id, id, 'manual', 'clock', now() + %s FROM sync_schedule
"""
_RUN = """
SELECT status, task_generation, attempt, fence, not_before_at - started_at
FROM workspace_connector_sync_log WHERE trigger_type = 'manual'
"""
_LEAPS = (
    ("+2h", "-2h"),
    ("-2h", "+2h"),
    ("+2h", "+2h"),
    ("-2h", "-2h"),
    ("+1d", "-1d"),
)
_OFFSETS = {
    "+0": timedelta(0),
    "+2h": timedelta(hours=2),
    "-2h": timedelta(hours=-2),
    "+1d": timedelta(days=1),
    "-1d": timedelta(days=-1),
}


def test_a_process_whose_clock_is_wrong_and_leaps_decides_as_one_whose_clock_is_right(
    new_world: MakeWorld, wrong_clock: WrongClock
) -> None:
    right = what_is_decided(new_world, wrong_clock, "+0", "+0")

    for offsets in rounds(_LEAPS[:1], _LEAPS):
        assert what_is_decided(new_world, wrong_clock, *offsets) == right, offsets
    # That says something: whoever trusts the clock of the process decides otherwise.
    assert what_is_decided(new_world, wrong_clock, "+2h", "-2h", trusts_clock=True) != right


def test_a_queue_whose_clock_is_ahead_starts_no_run_before_its_time(
    new_world: MakeWorld, wrong_clock: WrongClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    world = new_world(connectors=1, periods=0)
    wrong_clock.set("+2h")
    with deployed(world, wrong_clock) as deployment:
        ask_for_a_run(world, timedelta(seconds=4))
        deployment.tick_until(lambda: run_of(world).status == "success")

    assert AttemptResult.PUT_BACK in deployment.answers
    assert run_of(world).started_early_by <= _EARLY
    assert (run_of(world).attempt, run_of(world).fence) == (1, 1)


def test_a_queue_whose_clock_was_behind_delivers_all_at_once_and_a_run_starts_once(
    new_world: MakeWorld, wrong_clock: WrongClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    world = new_world(connectors=1, periods=0)
    wrong_clock.set("-2h")
    with deployed(world, wrong_clock) as deployment:
        ask_for_a_run(world, timedelta(0))
        # What does not come counts as lost, and is ordered anew as another generation.
        deployment.tick_until(lambda: run_of(world).generation == 2)
        assert deployment.answers == []

        wrong_clock.set("+0")
        deployment.tick_until(
            lambda: run_of(world).status == "success" and len(deployment.answers) >= 2
        )

    assert deployment.answers.count(AttemptResult.RECORDED) == 1
    assert set(deployment.answers) == {AttemptResult.RECORDED, AttemptResult.NOTHING_TO_DO}
    assert (run_of(world).attempt, run_of(world).fence) == (1, 1)


@dataclass(frozen=True, slots=True)
class Run:
    status: str
    generation: int
    attempt: int
    fence: int
    started_early_by: timedelta


def ask_for_a_run(world: World, ahead: timedelta) -> None:
    with closing(open_world(world.dataset_url)) as connection, connection.cursor() as cursor:
        # No period of the schedule comes in between, whenever the test runs.
        cursor.execute("UPDATE sync_schedule SET next_scheduled_at = now() + interval '1 day'")
        cursor.execute(_INSERT, (ahead,))


def run_of(world: World) -> Run:
    [row] = world.rows(_RUN)
    return Run(*row)


def what_is_decided(
    new_world: MakeWorld, clock: WrongClock, *offsets: str, trusts_clock: bool = False
) -> list[tuple[Any, ...]]:
    """Let one process tick and work with each offset in turn; return the decisions."""
    world = new_world(connectors=CONNECTORS, periods=1, max_concurrent_syncs=100)
    scene, delivered = set_scene(world), set[str]()
    with clock.worn(), errand_boy(world, trusts_clock=trusts_clock) as boy:
        for offset in offsets:
            clock.set(offset)
            assert_off_by(world, boy, _OFFSETS[offset])
            assert boy.tick() == "ticked"
            # All that comes has to come before the next tick, which may take it for lost.
            while tasks := due_tasks(world, delivered):
                assert ERROR not in [boy.work(body) for body in tasks]
            if not trusts_clock:
                assert boy.work(scene.early_task) == AttemptResult.PUT_BACK
    if not trusts_clock:
        assert scene.beyond_time() == []
        assert broken_now(world, LEASE) == []
    return scene.decisions()


def due_tasks(world: World, delivered: set[str]) -> list[bytes]:
    """Return the tasks that Cloud Tasks would deliver now and has not, earliest first.

    Those that it would deliver in a moment are waited for.
    """
    [(now,)] = world.rows("SELECT now()")
    tasks = [
        task
        for task in TableQueue(world.queue_file).waiting()
        if task.schedule_time <= now + MOMENT and task.name not in delivered
    ]
    delivered.update(task.name for task in tasks)
    latest = max((task.schedule_time for task in tasks), default=now)
    sleep(max(latest - now, timedelta(0)).total_seconds())
    return [task.body for task in sorted(tasks, key=lambda task: task.schedule_time)]


def assert_off_by(world: World, boy: ErrandBoy, offset: timedelta) -> None:
    [(now,)] = world.rows("SELECT now()")
    assert abs(boy.clock() - now - offset) < timedelta(minutes=1)
