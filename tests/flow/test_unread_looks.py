"""The dispatcher's looks at what is unread: in turn, in time, whatever happens to one of them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import Engine, text

from infra.local.postgres import PostgresServer
from shared.clock import monotonic
from shared.domain.unread import NEVER
from shared.flow import tick as tick_flow
from shared.flow import unread as unread_flow
from shared.flow.retire import delete_schedule
from shared.flow.schedules import change_schedule
from shared.flow.unread import start_unread
from shared.logs import fields_of
from shared.store.engine import create_engine_for, single_statements
from shared.store.rows import Row
from tests.factories import at, make_schedule, make_tenant, runs_of
from tests.flow.hook_scene import Scene
from tests.flow.hooking import NOON, realtime
from tests.flow.queues import PausedQueue
from tests.flow.workers import tick

pytest_plugins = ("tests.flow.hook_fixtures",)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LATER = NOON + 2 * HOUR


def test_trouble_with_one_workspace_keeps_no_other(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    _refuse_runs(scene)
    other = realtime(scene.engine, make_tenant(scene.engine))
    for schedule in (scene.schedule, other):
        _note_unread(scene.engine, schedule)

    assert scene.look(LATER) == 1
    assert len(runs_of(scene.engine, other["id"])) == 1
    assert scene.runs() == []
    assert _told(caplog) == [scene.tenant.workspace_id]


def test_more_of_a_workspace_in_trouble_than_a_page_keep_no_other(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread_flow, "_PAGE", 2)
    _refuse_runs(scene)
    for schedule in (scene.schedule, *(realtime(scene.engine, scene.tenant) for _ in range(4))):
        _note_unread(scene.engine, schedule)
    other = realtime(scene.engine, make_tenant(scene.engine))
    _note_unread(scene.engine, other, since=NOON + MINUTE)
    until = monotonic() + 9

    assert start_unread(scene.worker_engine, LATER, lambda: monotonic() < until) == 1
    assert len(runs_of(scene.engine, other["id"])) == 1
    assert _told(caplog) == [scene.tenant.workspace_id]


def test_a_row_that_cannot_even_be_read_is_the_trouble_of_its_workspace_alone(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    other = realtime(scene.engine, make_tenant(scene.engine))
    for schedule in (scene.schedule, other):
        _note_unread(scene.engine, schedule)
    with scene.engine.begin() as connection:
        query = text("UPDATE unread_change SET reported_at = 'infinity' WHERE connector_id = :c")
        connection.execute(query, {"c": scene.schedule["connector_id"]})

    assert scene.look(LATER) == 1
    assert len(runs_of(scene.engine, other["id"])) == 1
    assert _told(caplog) == [scene.tenant.workspace_id]


def test_a_workspace_that_somebody_holds_is_waited_for_only_briefly(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    other = realtime(scene.engine, make_tenant(scene.engine))
    for schedule, since in ((scene.schedule, NOON), (other, NOON + MINUTE)):
        _note_unread(scene.engine, schedule, since=since)
    with caplog.at_level("INFO"), scene.engine.begin() as connection:
        query = text("SELECT id FROM workspace WHERE id = :id FOR UPDATE")
        connection.execute(query, {"id": scene.tenant.workspace_id})
        # As long as one lock may be waited for elsewhere.
        until = monotonic() + 9

        assert start_unread(scene.worker_engine, LATER, lambda: monotonic() < until) == 1
    # That is no trouble.
    assert _told(caplog) == [scene.tenant.workspace_id]
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_workspace_is_held_for_a_portion_of_its_changes_at_a_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread_flow, "_PORTION", 2)
    for schedule in (scene.schedule, *(realtime(scene.engine, scene.tenant) for _ in range(4))):
        _note_unread(scene.engine, schedule)
    calls = count(1)

    # Time for the first page and two portions of it.
    assert start_unread(scene.worker_engine, LATER, lambda: next(calls) <= 3) == 4


def test_a_run_that_waits_already_is_not_counted_as_written(scene: Scene) -> None:
    scene.report()
    with scene.engine.begin() as connection:
        # As if it were about an instant before the report: it covers nothing, and has its place.
        connection.execute(text("UPDATE workspace_connector_sync_log SET nominal_at = now()"))

    assert scene.look(LATER) == 0
    assert len(scene.runs()) == 1


def test_a_database_that_goes_away_is_told_once(
    scene: Scene, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        _note_unread(scene.engine, realtime(scene.engine, make_tenant(scene.engine)))
    has_time = _cut_off_when_asked_again(postgres_server, scene.engine)

    assert start_unread(scene.worker_engine, LATER, has_time) == 0
    assert len(_told(caplog)) == 1


def test_a_run_that_a_schedule_names_gets_its_place_before_one_of_a_report(
    worker_engine: Engine, engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    due = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    reported = realtime(engine, tenant)
    _note_unread(engine, reported, since=at("01:30"))

    tick(worker_engine, paused, at("02:00"))

    [[named], [written]] = [runs_of(engine, one["id"]) for one in (due, reported)]
    assert named["enqueued_at"] is not None
    assert written["enqueued_at"] is None


@pytest.mark.parametrize(("share", "looks"), [(0.0, 0), (0.95, 1)])
def test_looks_have_a_share_of_the_ticks_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, share: float, looks: int
) -> None:
    monkeypatch.setattr(tick_flow, "_SHARE_THROUGH_REPORTS", share)
    _note_unread(scene.engine, scene.schedule)
    tick(scene.worker_engine, scene.paused, LATER)
    assert len(scene.runs()) == looks


def test_a_tick_that_had_no_time_for_all_tasks_makes_them_after_its_looks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick_flow, "_SHARE_THROUGH_TASKS", 0.0)
    due = make_schedule(
        scene.engine, scene.tenant, cron_expression="0 2 * * *", from_instant=at("01:00")
    )
    tick(scene.worker_engine, scene.paused, at("02:00"))
    [run] = runs_of(scene.engine, due["id"])
    assert run["enqueued_at"] is not None


def test_what_a_schedule_does_not_hear_any_more_costs_no_looks_until_it_does(scene: Scene) -> None:
    scene.report()
    scene.cancel(NOON)
    change_schedule(*scene.whose, {"frequency": "manual"}, now=NOON)
    assert scene.look(NOON + 2 * MINUTE) == 0
    assert scene.looked_at_next() == NEVER

    change_schedule(*scene.whose, {"frequency": "realtime"}, now=NOON + HOUR)

    assert scene.look(NOON + HOUR) == 1


def test_what_was_reported_while_the_schedule_was_deleted_is_forgotten(scene: Scene) -> None:
    delete_schedule(*scene.whose, now=NOON)
    _note_unread(scene.engine, scene.schedule)

    assert scene.look(LATER) == 0
    assert not scene.has_unread()


def _note_unread(engine: Engine, schedule: Row, *, since: datetime = NOON) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO unread_change (connector_id, workspace_id, reported_at, look_at)"
                " VALUES (:c, :w, :at, :at)"
            ),
            {"c": schedule["connector_id"], "w": schedule["workspace_id"], "at": since},
        )


def _refuse_runs(scene: Scene) -> None:
    """Let the database take no run of the scene's workspace."""
    with scene.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'refused'; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON workspace_connector_sync_log FOR EACH ROW"
                f" WHEN (NEW.workspace_id = {scene.tenant.workspace_id})"
                " EXECUTE FUNCTION refuse()"
            )
        )


def _cut_off_when_asked_again(server: PostgresServer, engine: Engine) -> Callable[[], bool]:
    """Return a `has_time` by whose second call the database has gone away."""
    calls = count(1)
    database = engine.url.database

    def has_time() -> bool:
        if next(calls) == 2:
            admin = create_engine_for(server.url("postgres"))
            with single_statements(admin) as connection:
                connection.execute(text(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false'))
                query = text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                )
                connection.execute(query, {"name": database})
            admin.dispose()
        return True

    return has_time


def _told(caplog: pytest.LogCaptureFixture) -> list[object]:
    """Return the workspaces of which it was told that looking at them failed."""
    events = [fields_of(record) for record in caplog.records]
    return [event.get("workspace_id") for event in events if event["event"] == "unread_failed"]
