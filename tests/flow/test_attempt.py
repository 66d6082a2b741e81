import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, text

from shared.domain.task import TaskCall
from shared.errors import PermanentError, TransientError
from shared.flow.attempt import AttemptResult, attempt_run
from tests.factories import at, events_of, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    due_run,
    make_workshop,
    moved,
    schedule_row,
    tick,
    watermark_of,
)


def test_a_run_goes_all_the_way_and_leaves_its_row_watermark_schedule_and_timeline(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

    assert result is AttemptResult.RECORDED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"], after["error"]) == ("success", None, None)
    assert after["started_at"] == after["completed_at"] == at("02:00:01")
    assert after["duration_ms"] == 0
    assert (after["records_processed"], after["records_created"]) == (3, 3)
    assert after["metadata"]["connector_slug"] == "database"
    assert after["metadata"]["drift_ms"] == 1000
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
    attempt_run(workshop, call_of(run), now=at("02:00:01"))
    tick(engine, paused, at("01:59", day="2026-03-03"))

    attempt_run(
        workshop, call_of(runs_of(engine, schedule["id"])[1]), now=at("02:00", day="2026-03-03")
    )

    assert script.requests[0].watermarks == {}
    assert script.requests[1].watermarks["flight"].value == {"type": "int", "value": "7"}


def test_a_task_delivered_again_finds_nothing_to_do(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, call_of(run), now=at("02:00:01"))

    assert attempt_run(workshop, call_of(run), now=at("02:00:02")) is AttemptResult.NOTHING_TO_DO
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
        results.append(attempt_run(workshop, call_of(run), now=at("02:00:01")))

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
    assert attempt_run(workshop, TaskCall(uuid4())) is AttemptResult.NOTHING_TO_DO


def test_a_task_that_comes_too_early_puts_its_run_back(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)

    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("01:59:30"))

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

    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

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
        attempt_run(workshop, call_of(run), now=now)
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

    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

    [after] = runs_of(engine, schedule["id"])
    assert after["reason"] == "internal"
    assert "KeyError at flow/workers.py" in after["error"]
    assert "hunter2-canary" not in f"{after}{caplog.text}"


def test_rejected_records_make_the_schedule_partial(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.behaviour = lambda *_: moved(failed=1)

    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

    assert runs_of(engine, schedule["id"])[0]["status"] == "success"
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "partial"


def test_the_run_of_a_connector_that_was_disabled_is_skipped(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace_connector SET status = 'disabled'"))

    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))

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

    attempt_run(workshop, call_of(run), now=at("02:00:01"))

    autocommitted = sum(1 for trip in trips if trip == "BEGIN") - 1
    # SQLAlchemy reports a begin and an end for autocommit connections too, which send neither.
    assert len(trips) - 2 * autocommitted <= 6, trips


def test_a_pause_that_a_provider_asks_for_is_kept_shown_and_spends_no_attempt(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused, max_attempts=1)
    asked = timedelta(minutes=45)
    script.raises(TransientError("Too many.", code="rate_limited", retry_after=asked))
    workshop = make_workshop(engine, paused)

    for hour in (2, 3, 4):
        assert (
            attempt_run(workshop, call_of(run), now=at(f"{hour:02}:00:01"))
            is AttemptResult.RECORDED
        )
        [waiting] = runs_of(engine, schedule["id"])
        assert (waiting["status"], waiting["attempt"]) == ("scheduled", 0)
        assert waiting["reason"] == "rate_limited"
        assert waiting["next_attempt_at"] == at(f"{hour:02}:45:01")

    script.behaviour = lambda *_: moved()
    attempt_run(workshop, call_of(run), now=at("05:00"))
    assert runs_of(engine, schedule["id"])[0]["status"] == "success"


def test_a_provider_that_asks_for_pauses_for_more_than_a_day_spends_attempts(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused, max_attempts=1)
    asked = timedelta(minutes=45)
    script.raises(TransientError("Too many.", code="rate_limited", retry_after=asked))
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, call_of(run), now=at("02:00:01"))
    attempt_run(workshop, call_of(run), now=at("02:00:02", day="2026-03-03"))
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("error", "rate_limited")


@pytest.mark.parametrize("most", [1, 2, 7])
def test_a_schedule_says_how_often_its_runs_are_tried(
    engine: Engine, paused: PausedQueue, script: Script, most: int
) -> None:
    schedule, run = due_run(engine, paused, max_attempts=most)
    script.raises(TransientError("The source was away."))
    workshop = make_workshop(engine, paused)
    for attempt in range(most):
        assert runs_of(engine, schedule["id"])[0]["status"] == "scheduled"
        now = at("02:00:01") + timedelta(hours=attempt)
        attempt_run(workshop, call_of(run), now=now)
    assert runs_of(engine, schedule["id"])[0]["status"] == "error"
    assert len(script.requests) == most


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["NUL", "half a character"])
def test_a_result_that_the_database_cannot_hold_ends_the_run(
    engine: Engine, paused: PausedQueue, script: Script, text: str
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(PermanentError(text))
    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))
    assert result is AttemptResult.RECORDED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("error", "internal")
