import threading
from datetime import timedelta

from sqlalchemy import Engine, text

from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.plan import plan_due
from shared.store.engine import create_engine_for
from shared.store.rows import Row
from shared.store.runs import admit_runs
from tests.factories import at, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    make_workshop,
    moved,
    tick,
)


def test_a_connector_whose_last_run_is_in_progress_skips_the_next_with_reason_overlap(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)

    def meanwhile(*_: object) -> object:
        script.behaviour = lambda *_: moved()
        later = attempt_run(workshop, call_of(second), now=at("02:02"))
        assert later is AttemptResult.SKIPPED
        return moved()

    script.behaviour = meanwhile
    attempt_run(workshop, call_of(first), now=at("02:01"))

    first, second = runs_of(engine, schedule["id"])
    assert first["status"] == "success"
    assert (second["status"], second["reason"]) == ("skipped", "overlap")
    assert (second["started_at"], second["duration_ms"]) == (None, None)


def test_with_queue_one_a_run_waits_for_the_one_in_progress_which_starts_it(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), from_instant=at("02:00"), overlap_policy="queue_one"
    )
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)

    def meanwhile(*_: object) -> object:
        script.behaviour = lambda *_: moved()
        later = attempt_run(workshop, call_of(second), now=at("02:02"))
        assert later is AttemptResult.PUT_BACK
        return moved()

    script.behaviour = meanwhile
    attempt_run(workshop, call_of(first), now=at("02:02:10"))

    second = runs_of(engine, schedule["id"])[1]
    assert second["status"] == "scheduled"
    assert second["enqueued_at"] is not None
    again = attempt_run(workshop, call_of(second), now=at("02:02:11"))
    assert again is AttemptResult.RECORDED


def test_a_run_that_ends_hands_its_place_to_the_next_of_its_workspace(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("02:00"))
    [task] = paused.tasks()
    admitted, waiting = all_runs(engine)
    assert (admitted["cloud_task_id"], waiting["cloud_task_id"]) == (task.name, None)

    attempt_run(make_workshop(engine, paused), call_of(admitted), now=at("02:00:05"))

    assert all_runs(engine)[1]["cloud_task_id"] is not None
    assert len(paused.tasks()) == 2


def test_a_workspace_never_runs_more_than_its_limit_even_if_more_tasks_come(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("02:00"))
    admitted, waiting = all_runs(engine)
    workshop = make_workshop(engine, paused)

    def meanwhile(*_: object) -> object:
        script.behaviour = lambda *_: moved()
        other = attempt_run(workshop, call_of(waiting), now=at("02:00:06"))
        assert other is AttemptResult.PUT_BACK
        return moved()

    script.behaviour = meanwhile

    result = attempt_run(workshop, call_of(admitted), now=at("02:00:05"))

    assert result is AttemptResult.RECORDED
    assert all_runs(engine)[1]["attempt"] == 0


def test_workers_at_once_never_run_more_of_a_workspace_than_its_limit(
    engine: Engine, database_url: str, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=2)
    for _ in range(8):
        make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("02:00"))
    roomy = create_engine_for(database_url, pool_size=24)
    workshop = make_workshop(roomy, paused)
    start, answered = threading.Barrier(8), threading.Semaphore(0)
    started = []

    def work(*_: object) -> object:
        started.append(True)
        answered.release()
        everybody_else_answered.wait(20)
        return moved()

    everybody_else_answered = threading.Event()
    script.behaviour = work

    def deliver(run: Row) -> None:
        start.wait()
        if attempt_run(workshop, call_of(run), now=at("02:00:01")) is AttemptResult.PUT_BACK:
            answered.release()

    threads = [threading.Thread(target=deliver, args=(run,)) for run in all_runs(engine)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert answered.acquire(timeout=20)
    at_once = len(started)
    everybody_else_answered.set()
    for thread in threads:
        thread.join()
    roomy.dispose()

    assert at_once == 2


def all_runs(engine: Engine) -> list[Row]:
    with engine.connect() as connection:
        query = text(
            "SELECT * FROM workspace_connector_sync_log ORDER BY admitted_at NULLS LAST, id"
        )
        return list(connection.execute(query).mappings())


def test_the_single_run_of_a_workspace_gets_its_task_beside_the_first_of_a_busy_one(
    engine: Engine,
) -> None:
    busy, quiet = make_tenant(engine), make_tenant(engine)
    for _ in range(30):
        make_schedule(engine, busy, from_instant=at("01:59"), cron_expression="0 2 * * *")
    make_schedule(engine, quiet, from_instant=at("01:59"), cron_expression="0 2 * * *")
    plan_due(engine, at("01:59:30"), timedelta(seconds=90), lambda: True)
    with engine.begin() as connection:
        page = admit_runs(connection, now=at("01:59:30"), horizon=at("02:01"), page=10)
    owners = [run.workspace_id for run in page]
    assert len(owners) == 10
    assert owners.index(quiet.workspace_id) <= 1
