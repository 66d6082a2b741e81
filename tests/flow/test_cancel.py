from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.errors import NotFoundError, TransientError
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.cancel import RunEndedError, cancel_run
from shared.flow.schedules import Planner, change_schedule
from shared.store.rows import Row
from tests.factories import (
    Tenant,
    at,
    events_of,
    make_principal,
    make_schedule,
    make_tenant,
    runs_of,
)
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    due_run,
    fates,
    make_workshop,
    moved,
    public_id,
    schedule_row,
    tick,
    watermark_of,
)


def cancel(engine: Engine, paused: PausedQueue, run: Row, now: str, **values: Any) -> Row:
    """Cancel a run as somebody of its workspace."""
    who = values.pop("who", make_principal(run["workspace_id"]))
    return cancel_run(engine, lambda: paused.queue, who, public_id(run), now=at(now), **values)


def last_event(engine: Engine, run: Row) -> Mapping[str, Any]:
    with engine.connect() as connection:
        query = text("SELECT * FROM sync_log_event WHERE run_id = :id ORDER BY id DESC LIMIT 1")
        return connection.execute(query, {"id": run["id"]}).mappings().one()


def test_a_run_that_waits_ends_at_once_and_its_task_finds_nothing_to_do(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    shown = cancel(engine, paused, run, "01:59:30")

    assert (shown["status"], shown["reason"]) == ("cancelled", "cancelled_by_user")
    [after] = runs_of(engine, schedule["id"])
    assert after["completed_at"] == at("01:59:30")
    assert (after["started_at"], after["duration_ms"]) == (None, None)
    assert (after["fence"], after["task_generation"]) == (1, run["task_generation"] + 1)
    assert events_of(engine, run["id"]) == ["planned", "enqueued", "cancelled"]
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "never_run"
    delivered = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    assert delivered is AttemptResult.NOTHING_TO_DO
    assert script.requests == []


def test_the_timeline_says_who_cancelled_and_why(engine: Engine, paused: PausedQueue) -> None:
    tenant = make_tenant(engine)
    _, run = due_run(engine, paused, tenant=tenant)
    holder = make_principal(tenant.workspace_id, name="ops laptop")

    cancel(engine, paused, run, "02:00", who=holder, note="wrong month")

    event = last_event(engine, run)
    assert (event["kind"], event["happened_at"]) == ("cancelled", at("02:00"))
    said = {"reason": "cancelled_by_user", "note": "wrong month", "by": "ops laptop"}
    assert event["detail"] == said


def test_without_a_note_the_timeline_says_none(engine: Engine, paused: PausedQueue) -> None:
    _, run = due_run(engine, paused)
    cancel(engine, paused, run, "02:00", note="")
    assert last_event(engine, run)["detail"] == {"reason": "cancelled_by_user", "by": "somebody"}


def test_a_worker_in_the_middle_of_it_stops_at_its_next_confirmation(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    loaded = []

    def work(_request: object, confirm_lease: Any) -> object:
        assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"
        cancel(engine, paused, run, "02:00:31")
        confirm_lease()
        loaded.append(True)
        return moved()

    script.behaviour = work
    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

    assert (result, loaded) == (AttemptResult.LEASE_LOST, [])
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("cancelled", "cancelled_by_user")
    assert (after["completed_at"], after["duration_ms"]) == (at("02:00:31"), 30_000)
    assert (after["fence"], after["lease_expires_at"]) == (2, None)
    shown = schedule_row(engine, schedule["id"])
    assert shown["last_run_status"] == "failed"
    assert shown["last_run_error"] == "A user cancelled the run."


def test_what_a_worker_records_of_a_run_that_was_cancelled_does_not_count(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    def work(*_: object) -> object:
        cancel(engine, paused, run, "02:00:31")
        return moved()

    script.behaviour = work
    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

    assert result is AttemptResult.LEASE_LOST
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["records_processed"]) == ("cancelled", None)
    assert watermark_of(engine, run["connector_id"]) is None
    assert events_of(engine, run["id"])[-1] == "cancelled"


def test_an_error_of_the_worker_does_not_bring_a_cancelled_run_back(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    def work(*_: object) -> object:
        cancel(engine, paused, run, "02:00:31")
        raise TransientError("The source went away.")

    script.behaviour = work
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))
    tick(engine, paused, at("04:30"))

    assert fates(engine, schedule) == [("02:00", "cancelled", "cancelled_by_user")]


def test_a_run_that_waits_for_another_attempt_ends_and_no_longer_shows_as_running(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(TransientError("The source did not answer."))
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, call_of(run), now=at("02:00"))

    cancel(engine, paused, run, "02:00:01")
    tick(engine, paused, at("04:30"))

    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["next_attempt_at"]) == ("cancelled", None)
    assert after["duration_ms"] == 1_000
    assert after["error"] == "The source did not answer."
    assert schedule_row(engine, schedule["id"])["last_run_error"] == "A user cancelled the run."
    assert attempt_run(workshop, call_of(run), now=at("02:40")) is AttemptResult.NOTHING_TO_DO


def test_between_two_slices_a_run_ends_with_what_it_committed(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.behaviour = lambda *_: replace(moved(cursor="5"), positions={"flight": {"row": 50}})
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))

    cancel(engine, paused, run, "02:00:01")

    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["slices"], after["records_processed"]) == ("cancelled", 1, 3)
    assert watermark_of(engine, run["connector_id"]) == "5"
    shown = schedule_row(engine, schedule["id"])
    assert (shown["last_run_status"], shown["last_run_records_synced"]) == ("failed", 3)


def test_a_schedule_that_shows_a_later_run_goes_on_showing_it(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)
    script.raises(TransientError("The source did not answer."))
    attempt_run(workshop, call_of(first), now=at("02:01"))

    def work(*_: object) -> object:
        cancel(engine, paused, first, "02:02:10")
        assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"
        return moved()

    script.behaviour = work
    attempt_run(workshop, call_of(second), now=at("02:02"))

    assert runs_of(engine, schedule["id"])[0]["status"] == "cancelled"
    shown = schedule_row(engine, schedule["id"])
    assert (shown["last_run_status"], shown["last_run_error"]) == ("success", None)
    assert shown["last_run_at"] == at("02:02")


def test_the_place_of_a_cancelled_run_goes_to_the_next_of_its_workspace_at_once(
    engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    schedules = [
        make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
        for _ in range(2)
    ]
    tick(engine, paused, at("02:00"))
    runs = [runs_of(engine, one["id"])[0] for one in schedules]
    admitted, waiting = sorted(runs, key=lambda run: run["admitted_at"] is None)
    assert waiting["admitted_at"] is None

    cancel(engine, paused, admitted, "02:00:05")

    [after] = runs_of(engine, waiting["schedule_id"])
    assert after["admitted_at"] == at("02:00:05")
    assert after["cloud_task_id"] in {task.name for task in paused.tasks()}


def test_a_planned_run_that_a_user_cancelled_is_not_taken_up_by_a_changed_schedule(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    first, _ = runs_of(engine, schedule["id"])

    cancel(engine, paused, first, "02:00:40")
    changes = {"spread_seconds": 1}
    change_schedule(planner, tenant.principal, schedule["public_id"], changes, now=at("02:00:45"))

    assert fates(engine, schedule) == [
        ("02:01", "cancelled", "cancelled_by_user"),
        ("02:02", "scheduled", None),
    ]


def test_cancelling_twice_is_cancelling_once(engine: Engine, paused: PausedQueue) -> None:
    schedule, run = due_run(engine, paused)
    first = cancel(engine, paused, run, "02:00")

    again = cancel(engine, paused, run, "02:05", note="once more")

    assert again == first
    assert runs_of(engine, schedule["id"])[0]["completed_at"] == at("02:00")
    assert events_of(engine, run["id"]).count("cancelled") == 1


def test_a_run_that_ended_otherwise_is_not_cancelled(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    before = runs_of(engine, schedule["id"])

    with pytest.raises(RunEndedError, match="its status is success") as caught:
        cancel(engine, paused, run, "02:00:10")

    assert caught.value.status == "success"
    assert runs_of(engine, schedule["id"]) == before


def test_a_run_that_was_cancelled_with_its_schedule_ended_otherwise(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule, run = due_run(engine, paused, tenant=tenant)
    disabled = {"is_enabled": False}
    change_schedule(planner, tenant.principal, schedule["public_id"], disabled, now=at("02:00"))
    with pytest.raises(RunEndedError) as caught:
        cancel(engine, paused, run, "02:00:10")
    assert caught.value.status == "cancelled"


def test_a_run_of_another_workspace_is_not_found(engine: Engine, paused: PausedQueue) -> None:
    schedule, run = due_run(engine, paused)
    stranger = make_tenant(engine).principal
    with pytest.raises(NotFoundError):
        cancel(engine, paused, run, "02:00", who=stranger)
    with pytest.raises(NotFoundError):
        cancel_run(engine, lambda: paused.queue, stranger, uuid4())
    assert runs_of(engine, schedule["id"])[0]["status"] == "scheduled"
