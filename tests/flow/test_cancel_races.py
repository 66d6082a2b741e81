"""Two real connections where a cancel, a disabling or a deletion meets whoever else moves a run."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from shared.domain.outcome import Counts, succeeded
from shared.domain.run import Reason
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.cancel import RunEndedError, cancel_run
from shared.flow.decide import decide_all
from shared.flow.pause import pause_schedule
from shared.flow.rescue import rescue
from shared.flow.schedules import Planner
from shared.flow.workspaces import disable_workspace
from shared.store.attempts import lease_run, record_outcome
from shared.store.cancel import cancel_runs
from shared.store.rows import Row
from shared.store.runs import rescue_expired_leases
from shared.store.schedules import lock_due_schedules, write_plans
from shared.store.workspaces import lock_workspace
from tests.factories import Tenant, at, events_of, make_schedule, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.retiring import (
    Retire,
    disable,
    disable_schedule,
    every_minute,
    remove,
    remove_schedule,
)
from tests.flow.workers import (
    LEASE,
    Script,
    call_of,
    due_run,
    fates,
    make_workshop,
    public_id,
    schedule_row,
    tick,
    watermark_of,
)

LOOK_AHEAD = timedelta(seconds=90)
DONE = succeeded(Counts(3, 3, 0, 0), {})
MARK = {"stream": "flight", "cursor": "updated_at", "value": {"type": "int", "value": "7"}}


@contextmanager
def meanwhile(act: Callable[[], object]) -> Generator[list[object]]:
    """Let `act` begin while the block's transaction is open, and expect it to wait for its end.

    What it returned or raised is in the list after the block.
    """
    results: list[object] = []
    ended = threading.Event()

    def run() -> None:
        try:
            results.append(act())
        except Exception as error:  # noqa: BLE001 (what it raises is what a test looks at)
            results.append(error)
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert not ended.wait(0.4), f"it did not wait: {results}"
    yield results
    thread.join(timeout=30)
    assert not thread.is_alive()


def lease(connection: Connection, run: Row, now: str) -> Row:
    facts = lease_run(
        connection,
        call_of(run),
        lease=LEASE,
        early=timedelta(0),
        is_cold=False,
        now=at(now),
    )
    assert facts is not None
    return facts


def record(connection: Connection, facts: Row, now: str) -> object:
    return record_outcome(
        connection, facts["id"], facts["fence"], DONE, [MARK], attempt=1, now=at(now)
    )


def leased(engine: Engine, run: Row, now: str) -> Row:
    with engine.begin() as connection:
        return lease(connection, run, now)


def cancel_here(connection: Connection, tenant: Tenant, run: Row, now: str) -> int:
    """Do what a cancel does in its transaction, and leave that open."""
    lock_workspace(connection, tenant.workspace_id)
    return cancel_runs(connection, [run["id"]], Reason.CANCELLED_BY_USER, now=at(now))


@pytest.fixture
def due(engine: Engine, paused: PausedQueue, tenant: Tenant) -> tuple[Row, Row]:
    """Return a schedule and its run of 02:00, enqueued."""
    return due_run(engine, paused, tenant=tenant)


@pytest.fixture
def cancel(engine: Engine, paused: PausedQueue, tenant: Tenant) -> Callable[[Row, str], Row]:
    def cancel(run: Row, now: str) -> Row:
        who, key = tenant.principal, public_id(run)
        return cancel_run(engine, lambda: paused.queue, who, key, now=at(now))

    return cancel


def test_a_cancel_that_comes_after_the_record_finds_the_run_ended(
    engine: Engine, due: tuple[Row, Row], cancel: Callable[[Row, str], Row]
) -> None:
    schedule, run = due
    facts = leased(engine, run, "02:00")
    with engine.begin() as worker:
        assert record(worker, facts, "02:00:10") is not None
        with meanwhile(lambda: cancel(run, "02:00:11")) as results:
            worker.commit()

    [error] = results
    assert isinstance(error, RunEndedError)
    assert error.status == "success"
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "success"


def test_a_record_that_comes_after_the_cancel_writes_nothing(
    engine: Engine, tenant: Tenant, due: tuple[Row, Row]
) -> None:
    schedule, run = due
    facts = leased(engine, run, "02:00")

    def record_late() -> object:
        with engine.begin() as worker:
            return record(worker, facts, "02:00:11")

    with engine.begin() as person:
        assert cancel_here(person, tenant, run, "02:00:10") == 1
        with meanwhile(record_late) as results:
            person.commit()

    assert results == [None]
    assert fates(engine, schedule) == [("02:00", "cancelled", "cancelled_by_user")]
    assert watermark_of(engine, run["connector_id"]) is None
    assert events_of(engine, run["id"])[-1] == "cancelled"


def test_a_cancel_that_comes_after_the_lease_takes_the_run_from_its_worker(
    engine: Engine, due: tuple[Row, Row], cancel: Callable[[Row, str], Row]
) -> None:
    schedule, run = due
    with engine.begin() as worker:
        facts = lease(worker, run, "02:00")
        with meanwhile(lambda: cancel(run, "02:00:01")) as results:
            worker.commit()

    [shown] = results
    assert shown["status"] == "cancelled"
    assert shown["duration_ms"] == 1_000
    with engine.begin() as worker:
        assert record(worker, facts, "02:00:02") is None
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "failed"


def test_a_lease_that_comes_after_the_cancel_finds_nothing_to_do(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, due: tuple[Row, Row]
) -> None:
    schedule, run = due
    workshop = make_workshop(engine, paused)
    with engine.begin() as person:
        cancel_here(person, tenant, run, "02:00")
        with meanwhile(lambda: attempt_run(workshop, call_of(run), now=at("02:00:01"))) as results:
            person.commit()

    assert results == [AttemptResult.NOTHING_TO_DO]
    assert script.requests == []
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "never_run"


def test_a_cancel_that_comes_after_a_rescue_ends_the_run_that_it_took_back(
    engine: Engine,
    paused: PausedQueue,
    due: tuple[Row, Row],
    cancel: Callable[[Row, str], Row],
) -> None:
    schedule, run = due
    leased(engine, run, "02:00")
    with engine.begin() as dispatcher:
        patience = timedelta(hours=2)
        now = at("02:10")
        assert rescue_expired_leases(dispatcher, now=now, patience=patience, page=9) == 1
        with meanwhile(lambda: cancel(run, "02:10:01")):
            dispatcher.commit()
    tick(engine, paused, at("02:11"))

    assert fates(engine, schedule) == [("02:00", "cancelled", "cancelled_by_user")]
    [after] = runs_of(engine, schedule["id"])
    assert after["fence"] == 3


def test_a_rescue_steps_over_a_run_that_is_being_cancelled(
    engine: Engine, tenant: Tenant, due: tuple[Row, Row]
) -> None:
    schedule, run = due
    leased(engine, run, "02:00")
    with engine.begin() as person:
        cancel_here(person, tenant, run, "02:10")
        assert rescue(engine, at("02:10:01")) == 0
    assert rescue(engine, at("02:10:02")) == 0
    assert fates(engine, schedule) == [("02:00", "cancelled", "cancelled_by_user")]


def test_many_cancels_at_once_are_one(
    engine: Engine, due: tuple[Row, Row], cancel: Callable[[Row, str], Row]
) -> None:
    _, run = due
    start, answers = threading.Barrier(5), list[Row]()

    def ask() -> None:
        start.wait()
        answers.append(cancel(run, "02:00"))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert [answer["status"] for answer in answers] == ["cancelled"] * 5
    assert events_of(engine, run["id"]).count("cancelled") == 1


WAYS: list[Retire] = [disable_schedule, remove_schedule, disable, remove]


@pytest.mark.parametrize("retire", WAYS)
def test_whoever_ends_a_schedules_runs_waits_for_a_tick_that_is_planning_it(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner, retire: Retire
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    now = at("01:59:10")
    with engine.begin() as page:
        rows = lock_due_schedules(page, now + LOOK_AHEAD, 10)
        decided = decide_all(page, rows, now, LOOK_AHEAD)
        with meanwhile(lambda: retire(planner, tenant, schedule, "01:59:20")) as results:
            write_plans(page, decided.planned, decided.set_aside, now)
            page.commit()

    assert not isinstance(results[0], Exception), results
    tick(engine, paused, at("02:00:10"))
    with engine.connect() as connection:
        query = text("SELECT status FROM workspace_connector_sync_log")
        assert connection.execute(query).scalars().all() == ["cancelled"]


def test_disabling_a_workspace_waits_for_a_tick_that_is_planning_it(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    now = at("01:59:10")
    with engine.begin() as page:
        rows = lock_due_schedules(page, now + LOOK_AHEAD, 10)
        decided = decide_all(page, rows, now, LOOK_AHEAD)
        with meanwhile(
            lambda: disable_workspace(engine, tenant.workspace_id, now=at("01:59:20"))
        ) as results:
            write_plans(page, decided.planned, decided.set_aside, now)
            page.commit()

    assert results == [1]
    tick(engine, paused, at("02:00:10"))
    assert fates(engine, schedule) == [("02:00", "cancelled", "workspace_disabled")]


def test_a_tick_steps_over_a_schedule_that_is_being_deleted(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    with engine.begin() as person:
        lock = text("SELECT id FROM sync_schedule FOR UPDATE")
        person.execute(lock)
        tick(engine, paused, at("02:00:30"))
        assert runs_of(engine, schedule["id"]) == []
        person.execute(text("DELETE FROM sync_schedule"))
    tick(engine, paused, at("02:00:40"))
    assert paused.tasks() == []


def pause(planner: Planner, tenant: Tenant, schedule: Row, now: str) -> object:
    return pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at(now)
    )


@pytest.mark.parametrize("retire", [*WAYS, pause])
def test_whoever_holds_the_run_in_progress_gets_its_schedule_too(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner, retire: Retire
) -> None:
    schedule = every_minute(engine, paused, tenant)
    first, second = runs_of(engine, schedule["id"])
    leased(engine, first, "02:01")
    with engine.begin() as recording:
        recording.execute(text("SET LOCAL lock_timeout = '5s'"))
        # A record locks its run, the next run of the workspace, and the schedule, in this order.
        hold = text("SELECT id FROM workspace_connector_sync_log WHERE id = :id FOR NO KEY UPDATE")
        for run in (first, second):
            recording.execute(hold, {"id": run["id"]})
        with meanwhile(lambda: retire(planner, tenant, schedule, "02:02:10")) as results:
            recording.execute(text("UPDATE sync_schedule SET last_run_at = last_run_at"))
            recording.commit()

    assert not isinstance(results[0], Exception), results
