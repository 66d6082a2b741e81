import threading
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, text

from shared.errors import LeaseLostError, PermanentError, TransientError
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.tick import run_tick
from shared.store.engine import create_engine_for
from shared.store.rows import Row
from tests.factories import at, events_of, make_schedule, make_tenant, runs_of
from tests.flow.conftest import PausedQueue
from tests.flow.workers import (
    Script,
    install,
    make_workshop,
    moved,
    public_id,
    schedule_row,
    watermark_of,
)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    install(script, monkeypatch)
    return script


def due_run(engine: Engine, paused: PausedQueue, **schedule: object) -> tuple[Row, Row]:
    """Return a schedule and its run of 02:00, enqueued."""
    wanted = {"cron_expression": "0 2 * * *", **schedule}
    tenant = wanted.pop("tenant", None) or make_tenant(engine)
    row = make_schedule(engine, tenant, from_instant=at("01:00"), **wanted)
    tick(engine, paused, at("01:59"))
    [run] = runs_of(engine, row["id"])
    return row, run


def tick(engine: Engine, paused: PausedQueue, now: datetime) -> None:
    look_ahead, budget = timedelta(seconds=90), timedelta(seconds=45)
    run_tick(engine, paused.queue, look_ahead=look_ahead, budget=budget, now=now)


def test_a_run_goes_all_the_way_and_leaves_its_row_watermark_schedule_and_timeline(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    result = attempt_run(make_workshop(engine, paused), public_id(run), now=at("02:00:01"))

    assert result is AttemptResult.RECORDED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"], after["error"]) == ("success", None, None)
    assert after["started_at"] == after["completed_at"] == at("02:00:01")
    assert after["duration_ms"] == 0
    assert (after["records_processed"], after["records_created"]) == (3, 3)
    assert after["metadata"]["connector_slug"] == "database"
    assert after["metadata"]["start_lag_ms"] == 1000
    assert (after["attempt"], after["fence"], after["lease_expires_at"]) == (1, 1, None)
    assert watermark_of(engine, run["connector_id"]) == "7"
    shown = schedule_row(engine, schedule["id"])
    assert (shown["last_run_status"], shown["last_run_records_synced"]) == ("success", 3)
    assert shown["last_run_at"] == at("02:00:01")
    assert events_of(engine, run["id"]) == ["planned", "enqueued", "started", "succeeded"]


def test_the_connector_is_given_the_watermark_that_the_last_run_left(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, public_id(run), now=at("02:00:01"))
    tick(engine, paused, at("01:59", day="2026-03-03"))

    attempt_run(
        workshop, public_id(runs_of(engine, schedule["id"])[1]), now=at("02:00", day="2026-03-03")
    )

    assert script.requests[0].watermarks == {}
    assert script.requests[1].watermarks["flight"].value == {"type": "int", "value": "7"}


def test_a_task_delivered_again_finds_nothing_to_do(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, public_id(run), now=at("02:00:01"))

    assert attempt_run(workshop, public_id(run), now=at("02:00:02")) is AttemptResult.NOTHING_TO_DO
    assert len(script.requests) == 1


def test_a_task_delivered_twice_at_once_runs_once(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    workshop = make_workshop(engine, paused)
    start = threading.Barrier(5)
    results: list[AttemptResult] = []

    def deliver() -> None:
        start.wait()
        results.append(attempt_run(workshop, public_id(run), now=at("02:00:01")))

    threads = [threading.Thread(target=deliver) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == sorted([AttemptResult.NOTHING_TO_DO] * 4 + [AttemptResult.RECORDED])
    assert len(script.requests) == 1


def test_a_task_of_an_unknown_run_finds_nothing_to_do(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    workshop = make_workshop(engine, paused)
    assert attempt_run(workshop, uuid4()) is AttemptResult.NOTHING_TO_DO


def test_a_task_that_comes_too_early_puts_its_run_back(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    result = attempt_run(make_workshop(engine, paused), public_id(run), now=at("01:59:30"))

    assert result is AttemptResult.PUT_BACK
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["attempt"], after["enqueued_at"]) == ("scheduled", 0, None)
    tick(engine, paused, at("01:59:40"))
    assert runs_of(engine, schedule["id"])[0]["enqueued_at"] is not None


def test_a_permanent_error_ends_the_run_at_once_with_its_reason(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(PermanentError("The login was refused.", code="authorization"))

    attempt_run(make_workshop(engine, paused), public_id(run), now=at("02:00:01"))

    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("error", "authorization")
    assert after["error"] == "The login was refused."
    shown = schedule_row(engine, schedule["id"])
    assert (shown["last_run_status"], shown["last_run_error"]) == ("failed", after["error"])
    assert watermark_of(engine, run["connector_id"]) is None


def test_a_transient_error_waits_for_another_attempt_and_the_last_one_ends_the_run(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(TransientError("The source did not answer."))
    workshop = make_workshop(engine, paused)
    now = at("02:00:01")
    names = set()

    for attempt in range(1, 6):
        attempt_run(workshop, public_id(run), now=now)
        [after] = runs_of(engine, schedule["id"])
        assert after["attempt"] == attempt
        names.add(after["cloud_task_id"])
        if attempt < 5:
            assert after["status"] == "scheduled"
            assert now < after["next_attempt_at"] <= now + timedelta(minutes=30)
            assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"
            now = after["next_attempt_at"]
            tick(engine, paused, now - timedelta(seconds=1))

    assert (after["status"], after["reason"]) == ("error", "source_unavailable")
    assert len(names) == 5


def test_an_error_that_nobody_translated_keeps_its_text_to_itself(
    engine: Engine, paused: PausedQueue, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(KeyError("hunter2-canary"))

    attempt_run(make_workshop(engine, paused), public_id(run), now=at("02:00:01"))

    [after] = runs_of(engine, schedule["id"])
    assert after["reason"] == "internal"
    assert "KeyError at flow/workers.py" in after["error"]
    assert "hunter2-canary" not in f"{after}{caplog.text}"


def test_rejected_records_make_the_schedule_partial(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.behaviour = lambda *_: moved(failed=1)

    attempt_run(make_workshop(engine, paused), public_id(run), now=at("02:00:01"))

    assert runs_of(engine, schedule["id"])[0]["status"] == "success"
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "partial"


def test_a_worker_that_lost_its_fence_writes_nothing(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    def lose_it(*_: object) -> object:
        with engine.begin() as connection:
            connection.execute(text("UPDATE workspace_connector_sync_log SET fence = fence + 1"))
        return moved()

    script.behaviour = lose_it

    result = attempt_run(make_workshop(engine, paused), public_id(run), now=at("02:00:01"))

    assert result is AttemptResult.LEASE_LOST
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["records_processed"]) == ("in_progress", None)
    assert watermark_of(engine, run["connector_id"]) is None
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"


def test_a_load_is_refused_to_a_worker_whose_run_was_taken_over(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    loaded = []

    def load_late(_request: object, confirm_lease: object) -> object:
        with engine.begin() as connection:
            connection.execute(text("UPDATE workspace_connector_sync_log SET fence = fence + 1"))
        confirm_lease()
        loaded.append(True)
        return moved()

    script.behaviour = load_late

    result = attempt_run(make_workshop(engine, paused), public_id(run), now=at("02:00:01"))

    assert result is AttemptResult.LEASE_LOST
    assert loaded == []


def test_a_heartbeat_keeps_the_lease_and_notices_its_loss(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    seen = []

    def work_long(_request: object, confirm_lease: object) -> object:
        seen.append(lease_end(engine))
        wait_until(lambda: lease_end(engine) > seen[0])
        with engine.begin() as connection:
            connection.execute(text("UPDATE workspace_connector_sync_log SET fence = fence + 1"))
        wait_until(lambda: is_refused(confirm_lease))
        raise LeaseLostError("noticed")

    script.behaviour = work_long
    workshop = make_workshop(engine, paused, lease=timedelta(seconds=1))

    assert attempt_run(workshop, public_id(run), now=at("02:00:01")) is AttemptResult.LEASE_LOST


def lease_end(engine: Engine) -> datetime:
    with engine.connect() as connection:
        query = text("SELECT lease_expires_at FROM workspace_connector_sync_log")
        return connection.execute(query).scalar_one()


def is_refused(confirm_lease: object) -> bool:
    try:
        confirm_lease()
    except LeaseLostError:
        return True
    return False


def wait_until(condition: object) -> None:
    pause = threading.Event()
    for _ in range(200):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("it did not happen in 10 seconds")


def test_a_silent_worker_loses_its_run_to_the_next_attempt(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    def die(*_: object) -> object:
        raise SystemExit

    script.behaviour = die
    workshop = make_workshop(engine, paused)
    with pytest.raises(SystemExit):
        attempt_run(workshop, public_id(run), now=at("02:00:01"))
    tick(engine, paused, at("02:01"))
    assert runs_of(engine, schedule["id"])[0]["status"] == "in_progress"

    tick(engine, paused, at("02:02"))
    script.behaviour = lambda *_: moved()
    result = attempt_run(workshop, public_id(run), now=at("02:02:01"))

    assert result is AttemptResult.RECORDED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["attempt"], after["fence"]) == ("success", 2, 3)
    assert "lease_expired" in events_of(engine, run["id"])


def test_a_connector_whose_last_run_is_in_progress_skips_the_next_with_reason_overlap(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)

    def meanwhile(*_: object) -> object:
        script.behaviour = lambda *_: moved()
        later = attempt_run(workshop, public_id(second), now=at("02:02"))
        assert later is AttemptResult.SKIPPED
        return moved()

    script.behaviour = meanwhile
    attempt_run(workshop, public_id(first), now=at("02:01"))

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
        later = attempt_run(workshop, public_id(second), now=at("02:02"))
        assert later is AttemptResult.PUT_BACK
        return moved()

    script.behaviour = meanwhile
    attempt_run(workshop, public_id(first), now=at("02:02:10"))

    second = runs_of(engine, schedule["id"])[1]
    assert second["status"] == "scheduled"
    assert second["enqueued_at"] is not None
    again = attempt_run(workshop, public_id(second), now=at("02:02:11"))
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

    attempt_run(make_workshop(engine, paused), public_id(admitted), now=at("02:00:05"))

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
        other = attempt_run(workshop, public_id(waiting), now=at("02:00:06"))
        assert other is AttemptResult.PUT_BACK
        return moved()

    script.behaviour = meanwhile

    result = attempt_run(workshop, public_id(admitted), now=at("02:00:05"))

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
        if attempt_run(workshop, public_id(run), now=at("02:00:01")) is AttemptResult.PUT_BACK:
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


def test_the_run_of_a_connector_that_was_disabled_is_skipped(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace_connector SET status = 'disabled'"))

    result = attempt_run(make_workshop(engine, paused), public_id(run), now=at("02:00:01"))

    assert result is AttemptResult.SKIPPED
    assert runs_of(engine, schedule["id"])[0]["reason"] == "connector_unavailable"
    assert script.requests == []


def test_a_run_costs_at_most_six_round_trips(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    script.behaviour = lambda _request, confirm_lease: confirm_lease() or moved()
    workshop = make_workshop(engine, paused)
    trips: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: trips.append(args[2]))
    event.listen(engine, "begin", lambda _connection: trips.append("BEGIN"))
    event.listen(engine, "commit", lambda _connection: trips.append("COMMIT"))

    attempt_run(workshop, public_id(run), now=at("02:00:01"))

    autocommitted = sum(1 for trip in trips if trip == "BEGIN") - 1
    # SQLAlchemy reports a begin and an end for autocommit connections too, which send neither.
    assert len(trips) - 2 * autocommitted <= 6, trips


def all_runs(engine: Engine) -> list[Row]:
    with engine.connect() as connection:
        query = text(
            "SELECT * FROM workspace_connector_sync_log ORDER BY admitted_at NULLS LAST, id"
        )
        return list(connection.execute(query).mappings())
