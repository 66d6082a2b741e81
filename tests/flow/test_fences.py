import threading
import time
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.domain.retry import backoff
from shared.errors import LeaseLostError
from shared.flow import attempt as attempt_flow
from shared.flow.attempt import AttemptResult, attempt_run
from tests.factories import at, events_of, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    due_run,
    make_workshop,
    moved,
    public_id,
    schedule_row,
    tick,
    watermark_of,
)


def test_a_worker_that_lost_its_fence_writes_nothing(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    def lose_it(*_: object) -> object:
        with engine.begin() as connection:
            connection.execute(text("UPDATE workspace_connector_sync_log SET fence = fence + 1"))
        return moved()

    script.behaviour = lose_it

    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

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

    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

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

    assert attempt_run(workshop, call_of(run), now=at("02:00:01")) is AttemptResult.LEASE_LOST


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
        attempt_run(workshop, call_of(run), now=at("02:00:01"))
    tick(engine, paused, at("02:01"))
    assert runs_of(engine, schedule["id"])[0]["status"] == "in_progress"

    tick(engine, paused, at("02:02"))
    script.behaviour = lambda *_: moved()
    result = attempt_run(workshop, call_of(run), now=at("02:02:31"))

    assert result is AttemptResult.RECORDED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["attempt"], after["fence"]) == ("success", 2, 3)
    assert "lease_expired" in events_of(engine, run["id"])


def test_runs_that_went_down_together_do_not_come_back_together(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    def die(*_: object) -> object:
        raise SystemExit

    script.behaviour = die
    workshop = make_workshop(engine, paused)
    tenant = make_tenant(engine)
    runs = [due_run(engine, paused, tenant=tenant)[1] for _ in range(8)]
    for run in runs:
        with pytest.raises(SystemExit):
            attempt_run(workshop, call_of(run), now=at("02:00:01"))

    tick(engine, paused, at("02:02"))

    rescued = [runs_of(engine, run["schedule_id"])[0] for run in runs]
    waits = [run["next_attempt_at"] - at("02:02") for run in rescued]
    assert waits == [backoff(f"{public_id(run)}:0", 1) for run in runs]
    assert [run["not_before_at"] for run in rescued] == [run["next_attempt_at"] for run in rescued]
    assert len(set(waits)) > len(waits) // 2  # a wait is never below a second: some meet there


def test_a_slice_that_outlives_its_task_is_tried_again_with_less_time_to_read(
    engine: Engine, paused: PausedQueue, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_flow, "LONGEST_ATTEMPT", timedelta(seconds=0.1))
    schedule, run = due_run(engine, paused)

    def read_for_ever(request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
        while True:
            time.sleep(0.02)
            request.has_time()

    script.behaviour = read_for_ever
    workshop = make_workshop(engine, paused)
    assert attempt_run(workshop, call_of(run), now=at("02:00:01")) is AttemptResult.RECORDED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"], after["attempt"]) == (
        "scheduled",
        "slice_too_long",
        1,
    )


def test_a_worker_that_hangs_is_replaced_once_no_task_waits_for_it(
    engine: Engine, paused: PausedQueue, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_flow, "LONGEST_ATTEMPT", timedelta(seconds=0.1))
    schedule, run = due_run(engine, paused)
    lease = timedelta(seconds=0.6)

    def hang(*_: object) -> SyncResult:
        time.sleep(2 * lease.total_seconds())
        tick(engine, paused, at("02:10"))  # nothing extended the lease of 02:00:01
        return moved()

    script.behaviour = hang
    workshop = make_workshop(engine, paused, lease=lease)
    assert attempt_run(workshop, call_of(run), now=at("02:00:01")) is AttemptResult.LEASE_LOST
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["fence"], after["records_processed"]) == ("scheduled", 2, None)


def test_a_page_that_is_read_after_the_lease_was_lost_is_the_last(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    pages: list[int] = []

    def read(request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
        with engine.begin() as connection:
            connection.execute(text("UPDATE workspace_connector_sync_log SET fence = fence + 1"))
        for page in range(1_000):
            request.has_time()
            pages.append(page)
            time.sleep(0.02)
        return moved()

    script.behaviour = read
    workshop = make_workshop(engine, paused, lease=timedelta(seconds=0.3))
    assert attempt_run(workshop, call_of(run), now=at("02:00:01")) is AttemptResult.LEASE_LOST
    assert len(pages) < 1_000
