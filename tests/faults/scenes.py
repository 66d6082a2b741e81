"""Scenes in which one protection decides: who dies, halts or comes twice, and what follows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import sleep

from shared.crash_points import CrashPoint
from shared.domain.task import read_task
from tests.faults import acts, source_troubles
from tests.faults.invariants import unfinished
from tests.faults.play import BRIEF_PATIENCE, Play
from tests.faults.stage import Cue, Fate

Scene = Callable[[Play], None]

_LONG_LEASE = timedelta(seconds=1)
"""Long enough that a heartbeat on a busy machine comes in time."""
_FEW_SLICES = 5
_PLANNED = """
SELECT admitted_at, task_generation FROM workspace_connector_sync_log WHERE status = 'scheduled'
"""
_ONE_ATTEMPT = "UPDATE workspace_connector_sync_log SET max_attempts = 1"
_TWO_ATTEMPTS = "UPDATE workspace_connector_sync_log SET max_attempts = 2"


def a_worker_is_frozen_before_it_loads(play: Play) -> None:
    """Wake it when another one has loaded newer states of the same records, and not recorded."""
    play.tick()
    zombie = play.deliver(play.task(), _freeze_at(CrashPoint.READ))
    play.grow(8, again=[1])
    play.rescue()
    heir = play.deliver(play.task(), _freeze_at(CrashPoint.SYNCED))
    zombie.go_on()
    heir.go_on()


def a_worker_is_frozen_in_its_turn_to_load(play: Play) -> None:
    """Do the same when it has its turn, and was told that it holds the run."""
    play.tick()
    zombie = play.deliver(play.task(), _freeze_at(CrashPoint.TURN_TAKEN))
    play.grow(8, again=[1])
    play.rescue()
    heir = play.deliver(play.task(), _freeze_at(CrashPoint.SYNCED))
    zombie.go_on()
    heir.go_on()


def a_worker_is_frozen_before_it_records(play: Play) -> None:
    """Wake it when others have done its slice and the next, and one has begun the third."""
    play.plan = replace(play.plan, slice=timedelta(0))
    play.tick()
    zombie = play.deliver(play.task(), _freeze_at(CrashPoint.SYNCED))
    play.rescue()
    play.deliver(play.task())
    play.deliver(play.task())
    heir = play.deliver(play.task(), _freeze_at(CrashPoint.LEASED))
    zombie.go_on()
    heir.go_on()


def a_cancelled_worker_is_frozen_before_it_records(play: Play) -> None:
    """Wake it when its run was cancelled."""
    play.tick()
    zombie = play.deliver(play.task(), _freeze_at(CrashPoint.SYNCED))
    play.start(partial(acts.cancel_all, world=play.world)).wait()
    zombie.go_on()
    play.request()


def a_cancelled_worker_is_frozen_in_its_turn_to_load(play: Play) -> None:
    """Wake it when its run was cancelled, and it was told before that it holds the run."""
    play.tick()
    zombie = play.deliver(play.task(), _freeze_at(CrashPoint.TURN_TAKEN))
    play.start(partial(acts.cancel_all, world=play.world)).wait()
    zombie.go_on()
    play.request()


def a_cancelled_period_is_taken_up_again(play: Play) -> None:
    """Let the task from before come when the run has another one."""
    play.drain()
    play.start(acts.plan_a_period).wait()
    *_, before = sorted(play.queue.waiting(), key=lambda task: task.schedule_time)
    play.start(partial(acts.disable_and_enable, world=play.world)).wait()
    play.start(partial(acts.deliver, body=before.body)).wait()
    [(place, generation)] = play.world.rows(_PLANNED)
    tasks = [read_task(task.body) for task in play.queue.waiting()]
    play.demand(
        "a run that was taken up again has a task of its own",
        holds=place is not None and generation in {task.generation for task in tasks if task},
    )


def a_task_comes_that_was_replaced(play: Play) -> None:
    """Let it come when its run waits in the table, and nobody has given it a place yet."""
    play.tick()
    replaced = play.task()
    play.deliver(replaced, _die_at(CrashPoint.LEASED))
    play.outlast_leases()
    play.tick(_die_at(CrashPoint.RESCUED))
    play.deliver(replaced)


def a_worker_sends_a_run_back_too_late(play: Play) -> None:
    """Wake it when the run has another task, and nothing in its way any more."""
    play.request()
    play.tick()
    first = play.deliver(play.task(), Cue(CrashPoint.READ, Fate.HANG))
    task = play.task()
    late = play.start(partial(acts.put_back_late, body=task.body), task=task)
    late.wait()
    first.thaw()
    first.wake()
    play.lose_patience()
    late.go_on()
    newest = play.deliver(play.task())
    play.demand("the newest task of a run starts it", holds=newest.answer == "recorded")


def a_task_comes_to_two_workers(play: Play) -> None:
    """Let the second come while the first has read and not loaded."""
    play.tick()
    task = play.task()
    first = play.deliver(task, _freeze_at(CrashPoint.READ))
    play.grow(8, again=[1])
    second = play.deliver(task, _freeze_at(CrashPoint.SYNCED))
    first.go_on()
    second.go_on()
    play.request()


def two_runs_of_a_connector_have_tasks(play: Play) -> None:
    """Deliver the second task in the middle of the first."""
    play.request()
    play.tick()
    first = play.deliver(play.task(), _freeze_at(CrashPoint.READ))
    second = play.deliver(play.task(), _freeze_at(CrashPoint.READ))
    first.go_on()
    second.go_on()


def two_connectors_share_a_place(play: Play) -> None:
    """Take a place from the workspace when both have a task, and deliver both."""
    play.tick()
    play.execute("UPDATE workspace SET max_concurrent_syncs = 1")
    first = play.deliver(play.task(), _freeze_at(CrashPoint.READ))
    second = play.deliver(play.task(), _freeze_at(CrashPoint.READ))
    first.go_on()
    second.go_on()


def a_worker_is_killed_before_it_loads(play: Play) -> None:
    """Kill it when it has read, and has its turn."""
    play.tick()
    play.deliver(play.task(), _die_at(CrashPoint.TURN_TAKEN))


def a_worker_is_killed_between_two_merges(play: Play) -> None:
    """Let another one read what it merged again."""
    play.tick()
    play.deliver(play.task(), _die_at(CrashPoint.MERGED))


def a_slice_is_killed_before_it_loads(play: Play) -> None:
    """Let the next one go on where the slice before had ended."""
    play.plan = replace(play.plan, slice=timedelta(0))
    play.tick()
    play.deliver(play.task(), _die_at(CrashPoint.TURN_TAKEN))


def a_loader_keeps_its_turn(play: Play) -> None:
    """Freeze it until all is over: the heir of its run has one attempt to load without it."""
    play.tick()
    zombie = play.deliver(play.task(), _freeze_at(CrashPoint.TURN_TAKEN))
    play.execute(_TWO_ATTEMPTS)
    play.rescue()
    play.drain()
    play.look_at_rest()
    zombie.go_on()


def a_source_stands_still(play: Play) -> None:
    """Let another run do the work when it has come to itself."""
    with play.trouble(source_troubles.stand_still):
        play.tick()
        for _ in range(_FEW_SLICES):
            for task in play.queue.take(1):
                play.deliver(task)
    play.demand("a run that does not get on ends", holds=not unfinished(play.world))
    play.request()


def a_source_asks_for_a_pause(play: Play) -> None:
    """Deliver whatever task its run has next as soon as it is due."""
    play.tick()
    with play.trouble(source_troubles.ask_for_a_pause):
        play.deliver(play.task())
    play.deliver(play.task(ticks=True))


def a_source_asks_for_a_pause_while_another_run_has_its_task(play: Play) -> None:
    """Deliver that task before the pause is over."""
    play.request()
    play.tick()
    first, second = play.task(), play.task()
    with play.trouble(source_troubles.ask_for_a_pause):
        play.deliver(first)
    play.deliver(second)


def a_worker_is_killed_with_its_lease(play: Play) -> None:
    """Kill it before it has done anything."""
    play.tick()
    play.deliver(play.task(), _die_at(CrashPoint.LEASED))


def a_worker_is_killed_in_the_last_attempt(play: Play) -> None:
    """Let another run do the work."""
    play.tick()
    play.execute(_ONE_ATTEMPT)
    play.deliver(play.task(), _die_at(CrashPoint.LEASED))
    play.rescue()
    play.request()


def a_worker_hangs(play: Play) -> None:
    """Let its heartbeat go on, for as long as a task lives."""
    play.tick()
    task = play.task()
    act = partial(acts.deliver_briefly, body=task.body)
    hanging = play.start(act, Cue(CrashPoint.READ, Fate.HANG), task)
    hanging.wait()
    hanging.thaw()
    play.drain()
    play.look_at_rest()
    hanging.wake()


def a_worker_takes_longer_than_a_lease(play: Play) -> None:
    """Give it one attempt, and let no other run do the work."""
    play.plan = replace(play.plan, lease=_LONG_LEASE)
    play.tick()
    play.execute(_ONE_ATTEMPT)
    slow = play.deliver(play.task(), Cue(CrashPoint.READ, Fate.HANG))
    slow.thaw()
    sleep(_LONG_LEASE.total_seconds())
    play.tick()
    slow.wake()


def a_sibling_comes_late(play: Play) -> None:
    """Let a record come with the cursor value of the watermark."""
    play.tick()
    play.deliver(play.task())
    play.grow(1, step=0)
    play.request()


def a_schedule_is_changed_whose_period_is_planned(play: Play) -> None:
    """Change it before the period is reached, which it names before and after."""
    play.drain()
    play.start(partial(acts.plan_and_change, world=play.world)).wait()


def two_dispatchers_plan_at_once(play: Play) -> None:
    """Let the second come while the first has decided and not claimed."""
    first = play.start(acts.freeze_before_the_claim)
    first.wait()
    play.tick()
    first.go_on()


def a_dispatcher_is_killed_after_a_page(play: Play) -> None:
    """Kill it when it has planned."""
    play.tick(_die_at(CrashPoint.PAGE_PLANNED))


def a_dispatcher_is_killed_before_it_makes_tasks(play: Play) -> None:
    """Kill it when it has dealt out the places."""
    play.tick(_die_at(CrashPoint.ADMITTED))


def a_queue_loses_a_task(play: Play) -> None:
    """Let it keep the name as used."""
    play.tick()
    play.queue.purge()
    play.plan = replace(play.plan, patience=BRIEF_PATIENCE)


def a_schedule_shows_a_run_that_is_none(play: Play) -> None:
    """Write what nothing of ours leaves so."""
    play.drain()
    play.execute(
        "UPDATE sync_schedule"
        " SET last_run_status = 'running', last_run_at = now() - interval '3 hours'"
    )
    play.tick()


def a_real_load_is_frozen_in_its_turn(play: Play) -> None:
    """Freeze the database connector in its turn."""
    play.use_real_loads()
    a_worker_is_frozen_in_its_turn_to_load(play)


def a_real_load_is_killed_after_its_merge(play: Play) -> None:
    """Let another load of the database connector read again what was merged."""
    play.use_real_loads()
    a_worker_is_killed_between_two_merges(play)


def a_sibling_comes_late_to_real_loads(play: Play) -> None:
    """Let a record come late to the database connector."""
    play.use_real_loads()
    a_sibling_comes_late(play)


def _freeze_at(point: CrashPoint) -> Cue:
    return Cue(point, Fate.FREEZE)


def _die_at(point: CrashPoint) -> Cue:
    return Cue(point, Fate.DIE)
