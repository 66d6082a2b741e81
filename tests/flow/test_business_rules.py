"""The business rules of the customer's documents, each under its name."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.domain.recurrence import Recurrence
from shared.errors import ConflictError, RecurrenceError, TransientError
from shared.flow.attempt import attempt_run
from shared.flow.schedules import change_schedule
from tests.factories import at, make_planner, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop, moved, schedule_row, tick

DAILY = {"frequency": "daily", "preferred_time": "02:00", "cron_expression": None}


def test_one_schedule_per_integration(engine: Engine) -> None:
    tenant = make_tenant(engine)
    first = make_schedule(engine, tenant)
    with pytest.raises(ConflictError) as caught:
        make_schedule(engine, tenant, connector=first["connector_public_id"])
    assert caught.value.code == "one_schedule_per_integration"


@pytest.mark.parametrize("frequency", ["manual", "realtime"])
@pytest.mark.parametrize("is_enabled", [True, False])
def test_manual_frequency_clears_next_run(
    engine: Engine, paused: PausedQueue, frequency: str, *, is_enabled: bool
) -> None:
    tenant = make_tenant(engine)
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"), **DAILY)
    planner = make_planner(engine, paused.queue)

    after = change_schedule(
        planner,
        tenant.principal,
        schedule["public_id"],
        {"frequency": frequency, "is_enabled": is_enabled},
        now=at("01:00", day="2026-03-03"),
    )
    tick(engine, paused, at("02:00", day="2030-01-01"))

    assert after["next_scheduled_at"] is None
    periods = [run["period_at"] for run in runs_of(engine, schedule["id"])]
    assert periods == [], "nothing was due before the change, and nothing is planned after it"


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"frequency": "weekly"}, "weekly_requires_day_of_week"),
        (
            {
                "frequency": "weekly",
                "preferred_day_of_week": "monday",
                "preferred_day_of_month": 3,
            },
            "weekly_requires_day_of_week",
        ),
        ({"frequency": "weekly", "preferred_day_of_week": "mon"}, "weekly_requires_day_of_week"),
        ({"frequency": "monthly"}, "monthly_requires_day_of_month"),
        (
            {
                "frequency": "monthly",
                "preferred_day_of_month": 3,
                "preferred_day_of_week": "monday",
            },
            "monthly_requires_day_of_month",
        ),
        ({"frequency": "monthly", "preferred_day_of_month": 29}, "day_of_month_range"),
        ({"frequency": "monthly", "preferred_day_of_month": 0}, "day_of_month_range"),
        ({"frequency": "yearly"}, "valid_frequency_enum"),
        ({"preferred_time": "2:00"}, "preferred_time_format"),
        ({"preferred_time": "24:00"}, "preferred_time_format"),
        ({"preferred_time": None}, "preferred_time_format"),
        ({"timezone": "Europe/Olso"}, "valid_iana_timezone"),
    ],
)
def test_what_a_recurrence_must_have_is_refused_by_the_name_of_its_rule(
    engine: Engine, values: dict, rule: str
) -> None:
    with pytest.raises(RecurrenceError) as caught:
        make_schedule(engine, make_tenant(engine), **{**DAILY, **values})
    assert caught.value.code == rule
    assert caught.value.field
    assert caught.value.hint


@pytest.mark.parametrize("outcome", ["success", "partial", "failed"])
def test_next_scheduled_recomputed_after_run(
    engine: Engine, paused: PausedQueue, script: Script, outcome: str
) -> None:
    schedule, run = due_run(engine, paused)
    if outcome == "failed":
        script.raises(ValueError("unexpected"))
    else:
        script.behaviour = lambda *_: moved(failed=int(outcome == "partial"))
    if outcome == "failed":
        with engine.begin() as connection:
            connection.execute(text("UPDATE workspace_connector_sync_log SET max_attempts = 1"))

    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))

    row = schedule_row(engine, schedule["id"])
    assert row["last_run_status"] == outcome
    assert row["next_scheduled_at"] == at("02:00", day="2026-03-03")


def test_running_status_timeout_guard(engine: Engine, paused: PausedQueue) -> None:
    schedule, run = due_run(engine, paused)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = 'in_progress', fence = 1,"
                " attempt = 1, started_at = :start, lease_expires_at = :end"
            ),
            {"start": at("02:00"), "end": at("03:50")},
        )
        connection.execute(
            text("UPDATE sync_schedule SET last_run_status = 'running', last_run_at = :start"),
            {"start": at("02:00")},
        )

    tick(engine, paused, at("04:00:01"))

    after = runs_of(engine, schedule["id"])[0]
    assert (after["status"], after["reason"]) == ("error", "timed_out")
    row = schedule_row(engine, schedule["id"])
    assert row["last_run_status"] == "failed"
    assert "stopped answering" in row["last_run_error"]
    assert run["id"] == after["id"]


def test_running_status_timeout_guard_spares_a_worker_that_answers(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule, _ = due_run(engine, paused)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = 'in_progress', fence = 1,"
                " attempt = 1, started_at = :start, lease_expires_at = :end"
            ),
            {"start": at("02:00"), "end": at("05:01")},
        )
        connection.execute(
            text("UPDATE sync_schedule SET last_run_status = 'running', last_run_at = :start"),
            {"start": at("02:00")},
        )

    tick(engine, paused, at("05:00"))

    assert runs_of(engine, schedule["id"])[0]["status"] == "in_progress"
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"


def test_running_status_timeout_guard_ends_what_shows_as_running_without_a_run(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(engine, make_tenant(engine))
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE sync_schedule SET last_run_status = 'running', last_run_at = :start"),
            {"start": at("02:00")},
        )

    tick(engine, paused, at("03:59"))
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"

    tick(engine, paused, at("04:01"))
    row = schedule_row(engine, schedule["id"])
    assert row["last_run_status"] == "failed"
    assert row["last_run_error"] == "The run did not end within 2 hours."


def test_running_status_timeout_guard_spares_a_run_that_waits_for_another_attempt(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(TransientError("too many", code="rate_limited", retry_after=timedelta(hours=4)))
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))

    tick(engine, paused, at("05:00"))

    assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"


def test_disabled_schedule_nulls_next_run(engine: Engine, paused: PausedQueue) -> None:
    tenant = make_tenant(engine)
    schedule = make_schedule(engine, tenant, from_instant=at("01:00"), **DAILY)
    planner = make_planner(engine, paused.queue)

    def switch(*, on: bool, now: str) -> object:
        changes = {"is_enabled": on}
        row = change_schedule(
            planner, tenant.principal, schedule["public_id"], changes, now=at(now)
        )
        return row["next_scheduled_at"]

    assert switch(on=False, now="01:30") is None
    # From the current time: the 02:00 that passed while it was disabled is not made up for.
    assert switch(on=True, now="03:30") == at("02:00", day="2026-03-03")
    assert runs_of(engine, schedule["id"]) == []


@pytest.mark.parametrize("outcome", ["success", "failed"])
def test_error_message_only_on_failure(
    engine: Engine, paused: PausedQueue, script: Script, outcome: str
) -> None:
    schedule, run = due_run(engine, paused)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE sync_schedule SET last_run_status = 'failed', last_run_error = 'before'")
        )
        connection.execute(text("UPDATE workspace_connector_sync_log SET max_attempts = 1"))
    if outcome == "failed":
        script.raises(TransientError("the source is away"))

    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))

    row = schedule_row(engine, schedule["id"])
    assert row["last_run_status"] == outcome
    assert row["last_run_error"] == ("the source is away" if outcome == "failed" else None)


def test_due_exactly_at_02_00_and_not_at_02_01_nor_on_30_november() -> None:
    nightly = Recurrence.from_cron("0 2 * * *", "UTC")
    assert nightly.between(at("01:59:59"), at("02:00"), 9) == [at("02:00")]
    assert nightly.between(at("02:00"), at("02:01"), 9) == []
    month_end = Recurrence.from_cron("0 2 31 * *", "UTC")
    november = at("00:00", day="2026-11-30"), at("00:00", day="2026-12-01")
    assert month_end.between(*november, 9) == []
