from datetime import timedelta

from sqlalchemy import Engine, text

from shared.flow.attempt import AttemptResult, attempt_run
from shared.store.rows import Row
from tests.factories import at, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, make_workshop, schedule_row, tick


def fates(engine: Engine, schedule: Row) -> list[tuple[str, str | None]]:
    return [(run["status"], run["reason"]) for run in runs_of(engine, schedule["id"])]


def hold_for_ten_minutes(engine: Engine, paused: PausedQueue, schedule: Row) -> None:
    """Let the run of 02:01 be in progress while ten more periods come."""
    tick(engine, paused, at("02:00:30"))
    run = runs_of(engine, schedule["id"])[0]
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = 'in_progress', fence = 1,"
                " attempt = 1, started_at = :start, lease_expires_at = :end WHERE id = :id"
            ),
            {"start": at("02:01"), "end": at("04:00"), "id": run["id"]},
        )
    workshop = make_workshop(engine, paused)
    for minute in range(2, 12):
        now = at(f"02:{minute:02d}")
        for one in runs_of(engine, schedule["id"]):
            if one["status"] == "scheduled" and one["enqueued_at"] and one["not_before_at"] <= now:
                attempt_run(workshop, call_of(one), now=now)
        tick(engine, paused, now + timedelta(seconds=30))


def test_periods_that_wait_for_a_place_while_their_connector_is_busy_are_skipped(
    engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))

    hold_for_ten_minutes(engine, paused, schedule)

    seen = fates(engine, schedule)
    assert seen[0] == ("in_progress", None)
    assert seen[1:10] == [("skipped", "overlap")] * 9


def test_with_queue_one_at_most_one_period_waits_however_long_the_run_takes(
    engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine)
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"), overlap_policy="queue_one")

    hold_for_ten_minutes(engine, paused, schedule)

    due = fates(engine, schedule)[1:10]
    assert due.count(("scheduled", None)) == 1
    assert due.count(("skipped", "overlap")) == 8


def test_a_retry_that_is_skipped_no_longer_shows_as_running(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("01:00")
    )
    tick(engine, paused, at("01:59"))
    [run] = runs_of(engine, schedule["id"])
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET attempt = 1, started_at = :at,"
                " next_attempt_at = :at, error = 'no answer'"
            ),
            {"at": at("02:00")},
        )
        connection.execute(
            text("UPDATE sync_schedule SET last_run_status = 'running', last_run_at = :at"),
            {"at": at("02:00")},
        )
        connection.execute(text("UPDATE workspace_connector SET status = 'disabled'"))

    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:01"))

    assert result is AttemptResult.SKIPPED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["next_attempt_at"]) == ("skipped", None)
    shown = schedule_row(engine, schedule["id"])
    assert (shown["last_run_status"], shown["last_run_error"]) == ("failed", "no answer")


def test_a_run_that_is_skipped_hands_its_place_over(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    first = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    second = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("02:00"))
    runs = [runs_of(engine, one["id"])[0] for one in (first, second)]
    admitted, waiting = sorted(runs, key=lambda run: run["admitted_at"] is None)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_connector SET status = 'disabled' WHERE id = :id"),
            {"id": admitted["connector_id"]},
        )

    attempt_run(make_workshop(engine, paused), call_of(admitted), now=at("02:00:05"))

    [after] = runs_of(engine, waiting["schedule_id"])
    assert after["enqueued_at"] is not None


def test_a_long_outage_is_caught_up_in_one_tick_with_one_run(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))

    tick(engine, paused, at("02:00") + timedelta(days=3))

    runs = runs_of(engine, schedule["id"])
    assert sum(run["period_count"] for run in runs) == 3 * 24 * 60 + 1
    due = [run for run in runs if run["status"] == "scheduled"]
    assert [run["period_at"] for run in due] == [
        at("02:00") + timedelta(days=3),
        at("02:01") + timedelta(days=3),
    ]


def test_runs_that_cannot_be_rescued_do_not_stop_the_tick(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine)
    stuck = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    hold = "UPDATE workspace_connector_sync_log SET status = 'in_progress', fence = 1, attempt = 1,"
    tick(engine, paused, at("01:59"))
    with engine.begin() as connection:
        connection.execute(
            text(f"{hold} started_at = :at, lease_expires_at = :at"), {"at": at("02:00")}
        )
        connection.execute(
            text(
                "ALTER TABLE workspace_connector_sync_log ADD CONSTRAINT in_the_way"
                " CHECK (fence < 2) NOT VALID"
            )
        )
    other = make_schedule(engine, make_tenant(engine), from_instant=at("02:09"))

    tick(engine, paused, at("02:10"))

    assert runs_of(engine, stuck["id"])[0]["status"] == "in_progress"
    assert [run["status"] for run in runs_of(engine, other["id"])][:1] == ["scheduled"]


def test_a_run_of_a_high_generation_is_rescued_within_hours(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("01:00")
    )
    tick(engine, paused, at("01:59"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace_connector_sync_log SET task_generation = 10"))

    tick(engine, paused, at("03:30"))

    assert runs_of(engine, schedule["id"])[0]["task_generation"] == 11
