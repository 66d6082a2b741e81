"""Whatever was accepted is read by a run that began after it, whatever became of others."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from shared.clock import utc_now
from shared.connectors.base import SyncResult
from shared.errors import PermanentError, TransientError
from shared.flow.attempt import AttemptResult
from shared.flow.pause import pause_schedule, resume_schedule
from shared.flow.retire import (
    delete_connector,
    delete_schedule,
    disable_connector,
    enable_connector,
)
from shared.flow.schedules import change_schedule, require_schedule
from shared.flow.workspaces import disable_workspace, enable_workspace
from tests.factories import end_workspace, events_of
from tests.flow.hook_scene import Scene
from tests.flow.hooking import NOON, WINDOW
from tests.flow.workers import moved, schedule_row, tick

pytest_plugins = ("tests.flow.hook_fixtures",)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LATER = NOON + 2 * HOUR


def test_a_run_that_began_after_the_report_and_succeeds_has_read_it(scene: Scene) -> None:
    scene.report()
    assert scene.has_unread()

    scene.work(NOON + WINDOW)

    assert not scene.has_unread()
    assert scene.look(LATER) == 0


def test_a_report_that_comes_while_a_run_reads_is_not_read_by_it(scene: Scene) -> None:
    scene.report()

    def read(*_: object) -> SyncResult:
        scene.report(NOON + WINDOW + SECOND)
        return moved()

    scene.script.behaviour = read
    scene.work(NOON + WINDOW)

    assert scene.fates() == [("success", None), ("scheduled", None)]
    assert scene.has_unread()


def test_a_report_is_read_if_the_run_by_hand_that_covered_it_is_cancelled(scene: Scene) -> None:
    scene.trigger()
    for _ in range(3):
        scene.report()
    [manual] = scene.runs()
    assert events_of(scene.engine, manual["id"]).count("change_reported") == 1
    scene.cancel(NOON)

    assert [scene.look(NOON), scene.look(NOON + MINUTE), scene.look(NOON + 2 * MINUTE)] == [0, 1, 0]

    _, run = scene.runs()
    assert (run["trigger_type"], run["status"]) == ("webhook", "scheduled")
    scene.work(LATER)
    assert not scene.has_unread()


def test_a_run_of_a_report_that_somebody_cancels_is_followed_by_another_after_a_while(
    scene: Scene,
) -> None:
    scene.report()
    scene.cancel(NOON)

    assert [scene.look(NOON + n * MINUTE) for n in (2, 5)] == [0, 0]
    assert scene.look(NOON + 15 * MINUTE) == 1
    assert scene.fates() == [("cancelled", "cancelled_by_user"), ("scheduled", None)]


def test_a_report_is_read_once_its_connector_is_enabled_again(scene: Scene) -> None:
    scene.report()
    disable_connector(*scene.whose_connector, now=NOON)
    assert scene.look(NOON + 5 * MINUTE) == 0

    enable_connector(*scene.whose_connector, now=NOON + 6 * MINUTE)

    assert scene.look(NOON + 6 * MINUTE) == 1
    assert scene.fates() == [("cancelled", "connector_disabled"), ("scheduled", None)]


def test_reports_to_a_disabled_schedule_start_one_run_when_it_is_enabled(scene: Scene) -> None:
    change_schedule(*scene.whose, {"is_enabled": False}, now=NOON)
    for n in range(3):
        scene.report(NOON + n * SECOND)
    assert scene.look(NOON + 5 * MINUTE) == 0

    change_schedule(*scene.whose, {"is_enabled": True}, now=NOON + 6 * MINUTE)

    assert scene.look(NOON + 6 * MINUTE) == 1
    assert scene.fates() == [("scheduled", None)]


def test_a_pause_ends_a_run_that_waits_for_its_retry_and_resuming_starts_one(scene: Scene) -> None:
    scene.report()
    scene.script.raises(TransientError("The source is away."))
    scene.work(NOON + WINDOW)

    pause_schedule(*scene.whose, until=None, note=None, now=NOON + 2 * WINDOW)

    assert scene.fates() == [("cancelled", "paused")]
    assert schedule_row(scene.engine, scene.schedule["id"])["last_run_status"] == "failed"
    assert scene.look(LATER) == 0
    resume_schedule(*scene.whose, now=LATER)
    assert scene.look(LATER) == 1
    assert scene.fates() == [("cancelled", "paused"), ("scheduled", None)]


def test_a_run_that_fails_during_a_pause_reads_nothing_before_its_end(scene: Scene) -> None:
    scene.report()
    until = NOON + HOUR

    def fail(*_: object) -> SyncResult:
        pause_schedule(
            *scene.whose,
            until=until,
            note=None,
            now=NOON + WINDOW,
        )
        raise TransientError("The source is away.")

    scene.script.behaviour = fail
    scene.work(NOON + WINDOW)

    assert scene.work(until - MINUTE) is AttemptResult.SKIPPED
    assert len(scene.script.requests) == 1
    assert [scene.look(until - MINUTE), scene.look(until)] == [0, 1]
    assert scene.fates() == [("skipped", "paused"), ("scheduled", None)]


def test_a_run_by_hand_that_waits_is_not_the_pauses_business(scene: Scene) -> None:
    scene.trigger()
    pause_schedule(*scene.whose, until=None, note=None)
    assert scene.fates() == [("scheduled", None)]


def test_a_report_is_read_once_its_connector_is_authorized(scene: Scene) -> None:
    scene.report()
    _set_status(scene, "needs_reauthorization")
    assert scene.work(NOON + WINDOW) is AttemptResult.SKIPPED
    assert scene.look(NOON + 5 * MINUTE) == 0

    _set_status(scene, "connected")

    assert scene.look(NOON + 6 * MINUTE) == 1


def test_a_report_is_read_once_its_workspace_is_enabled_again(scene: Scene) -> None:
    scene.report()
    disable_workspace(scene.engine, scene.tenant.workspace_id, now=NOON)
    assert scene.look(NOON + 5 * MINUTE) == 0

    enable_workspace(scene.engine, scene.tenant.workspace_id, now=NOON + 6 * MINUTE)

    assert scene.look(NOON + 6 * MINUTE) == 1
    assert scene.fates() == [("cancelled", "workspace_disabled"), ("scheduled", None)]


def test_a_tick_gives_the_run_its_task_at_once(scene: Scene) -> None:
    pause_schedule(*scene.whose, until=NOON + MINUTE, note=None, now=NOON)
    scene.report()

    tick(scene.worker_engine, scene.paused, NOON + 2 * MINUTE)

    [run] = scene.runs()
    assert events_of(scene.engine, run["id"]) == ["requested", "enqueued"]
    assert len(scene.paused.tasks(scene.paused.interactive)) == 1


def test_ticks_at_once_write_one_run(scene: Scene) -> None:
    pause_schedule(*scene.whose, until=NOON + MINUTE, note=None, now=NOON)
    scene.report()
    ticks = [threading.Thread(target=scene.look, args=(NOON + 2 * MINUTE,)) for _ in range(4)]
    for one in ticks:
        one.start()
    for one in ticks:
        one.join()
    assert scene.fates() == [("scheduled", None)]


def test_a_schedule_shows_that_something_was_reported_until_it_is_read(scene: Scene) -> None:
    def shown() -> datetime | None:
        with scene.engine.connect() as connection:
            row = require_schedule(connection, scene.tenant.principal, scene.schedule["public_id"])
            return row["change_reported_at"]

    assert shown() is None
    scene.report()
    assert shown() == NOON
    scene.work(NOON + WINDOW)
    assert shown() is None


def test_a_run_for_a_report_is_about_the_instant_at_which_it_begins_to_read(scene: Scene) -> None:
    scene.report()
    scene.script.raises(TransientError("The source is away."))
    scene.work(NOON + 24 * HOUR)
    scene.script.behaviour = lambda *_: replace(moved(), positions={"flight": {"row": 1}})
    scene.work(NOON + 25 * HOUR)
    scene.script.behaviour = lambda *_: moved()
    scene.work(NOON + 26 * HOUR)

    # A slice after the first is about that of the first.
    hours = [request.period_at - NOON for request in scene.script.requests]
    assert hours == [24 * HOUR, 25 * HOUR, 25 * HOUR]
    assert scene.fates() == [("success", None)]


def test_a_retry_of_a_run_for_a_report_is_about_the_same_instant(scene: Scene) -> None:
    scene.report()
    scene.script.raises(PermanentError("No such table."))
    scene.work(NOON + 24 * HOUR)
    scene.retry()
    scene.work(utc_now() + MINUTE)

    assert [one.period_at for one in scene.script.requests] == [NOON + 24 * HOUR] * 2


def test_a_change_is_unread_since_its_first_report_or_the_run_that_read_those_before(
    scene: Scene,
) -> None:
    for n in range(2):
        scene.report(NOON + n * SECOND)
    assert scene.unread_since() == NOON

    def read(*_: object) -> SyncResult:
        for n in range(2):
            scene.report(NOON + WINDOW + (n + 1) * SECOND)
        return moved()

    scene.script.behaviour = read
    scene.work(NOON + WINDOW)

    assert scene.unread_since() == NOON + WINDOW


@pytest.mark.parametrize("what", ["schedule", "connector", "workspace"])
def test_what_is_deleted_is_not_waited_for(what: str, scene: Scene) -> None:
    scene.report()
    match what:
        case "schedule":
            delete_schedule(*scene.whose)
        case "connector":
            delete_connector(*scene.whose_connector)
        case _:
            end_workspace(scene.engine, scene.tenant.workspace_id)
    assert not scene.has_unread()


def _set_status(scene: Scene, status: str) -> None:
    with scene.engine.begin() as connection:
        query = text("UPDATE workspace_connector SET status = :status")
        connection.execute(query, {"status": status})
