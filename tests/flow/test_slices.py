"""A run that takes longer than its time goes on in another task, and always gets on."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.connectors.base import (
    ConfirmLease,
    StreamFailure,
    SyncRequest,
    SyncResult,
    Watermark,
)
from shared.connectors.stream_troubles import PastFailure, failures_kept
from shared.errors import TransientError
from shared.flow import slices as slices_flow
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.trigger import RunActiveError, trigger_schedule
from tests.factories import at, events_of, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    ScriptedConfig,
    call_of,
    due_run,
    make_workshop,
    moved,
    public_id,
    schedule_row,
    tick,
    watermark_of,
)

Behaviour = Callable[[SyncRequest, ConfirmLease], SyncResult]


def slice_of(cursor: str, row: int, *, failed: int = 0) -> SyncResult:
    """Return the result of a slice that stopped at a row."""
    return replace(moved(cursor=cursor, failed=failed), positions={"flight": {"row": row}})


def behave(*results: SyncResult | Exception) -> Behaviour:
    """Return a connector that ends as told, slice by slice."""
    coming = list(results)

    def next_slice(_request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
        result = coming.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return next_slice


def work(engine: Engine, paused: PausedQueue, schedule: Mapping, seconds: int) -> AttemptResult:
    """Deliver the newest task of the only run, some seconds after two."""
    [run] = runs_of(engine, schedule["id"])
    now = at("02:00") + timedelta(seconds=seconds)
    return attempt_run(make_workshop(engine, paused), call_of(run), now=now)


def test_a_slice_commits_its_watermark_and_the_run_goes_on_in_a_task_of_its_own(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.behaviour = behave(slice_of("5", 50), slice_of("9", 90), moved(cursor="12"))
    before = {task.name for task in paused.tasks()}

    assert work(engine, paused, schedule, 1) is AttemptResult.RECORDED

    [between] = runs_of(engine, schedule["id"])
    assert (between["status"], between["slices"], between["attempt"]) == ("scheduled", 1, 0)
    assert between["positions"] == {"flight": {"row": 50}}
    assert between["admitted_at"] is not None
    assert watermark_of(engine, run["connector_id"]) == "5"
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "running"
    assert len({task.name for task in paused.tasks()} - before) == 1

    work(engine, paused, schedule, 2)
    work(engine, paused, schedule, 3)

    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["records_processed"], after["slices"]) == ("success", 9, 2)
    assert after["positions"] == {}
    assert after["metadata"]["pages_fetched"] == 3
    assert after["duration_ms"] == 2_000
    assert [request.positions for request in script.requests] == [
        {},
        {"flight": {"row": 50}},
        {"flight": {"row": 90}},
    ]
    assert watermark_of(engine, run["connector_id"]) == "12"
    shown = schedule_row(engine, schedule["id"])
    assert (shown["last_run_status"], shown["last_run_records_synced"]) == ("success", 9)
    kinds = events_of(engine, run["id"])
    assert kinds.count("started") == 3
    assert kinds.count("slice_completed") == 2


def test_records_that_an_early_slice_rejected_make_the_whole_run_partial(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused)
    script.behaviour = behave(slice_of("5", 50, failed=2), moved(cursor="12"))
    work(engine, paused, schedule, 1)
    work(engine, paused, schedule, 2)
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "partial"
    assert runs_of(engine, schedule["id"])[0]["records_failed"] == 2


def test_a_slice_that_got_on_gives_the_run_all_its_attempts_back(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused, max_attempts=2)
    trouble = TransientError("The source was away.")
    script.behaviour = behave(trouble, slice_of("5", 50), trouble, slice_of("6", 60), moved())
    for step in range(5):
        work(engine, paused, schedule, 4_000 * (step + 1))
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["slices"]) == ("success", 2)
    assert script.requests[3].positions == {"flight": {"row": 50}}


def test_a_stream_that_only_fails_once_more_ends_with_an_error_too(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    def failing(times: int) -> SyncResult:
        away = StreamFailure("lines", TransientError("It is away."))
        past = {"lines": PastFailure(away.error, times)}
        place = {"flight": {"row": 50}, **failures_kept(past, [away])}
        return replace(moved(cursor="5"), positions=place, failures=(away,))

    schedule, _run = due_run(engine, paused)
    script.behaviour = behave(failing(0), failing(1))
    work(engine, paused, schedule, 1)
    work(engine, paused, schedule, 2)
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("error", "cursor_stuck")


@pytest.mark.parametrize(
    "second",
    [slice_of("5", 50), replace(slice_of("5", 50), watermarks=())],
    ids=["the same watermark", "no watermark"],
)
def test_a_source_that_yields_the_same_cursor_for_ever_ends_with_an_error(
    engine: Engine, paused: PausedQueue, script: Script, second: SyncResult
) -> None:
    schedule, run = due_run(engine, paused)
    script.behaviour = behave(slice_of("5", 50), second)
    work(engine, paused, schedule, 1)
    work(engine, paused, schedule, 2)
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("error", "cursor_stuck")
    assert "does not get on" in after["error"]
    assert watermark_of(engine, run["connector_id"]) == "5"


def test_a_source_that_goes_backwards_ends_with_an_error(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.behaviour = behave(slice_of("5", 50), slice_of("4", 40))
    work(engine, paused, schedule, 1)
    work(engine, paused, schedule, 2)
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("error", "cursor_backwards")
    assert "flight" in after["error"]
    assert watermark_of(engine, run["connector_id"]) == "5"


def test_the_number_of_slices_is_bounded(
    engine: Engine, paused: PausedQueue, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices_flow, "MAX_SLICES", 3)
    schedule, _ = due_run(engine, paused)
    script.behaviour = behave(*(slice_of(str(row), row) for row in range(1, 5)))
    for step in range(3):
        work(engine, paused, schedule, step + 1)
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"], after["slices"]) == ("error", "too_many_slices", 2)


def test_the_end_of_a_sync_never_moves_a_watermark_back(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.behaviour = behave(slice_of("12", 50), moved(cursor="7"))
    work(engine, paused, schedule, 1)
    work(engine, paused, schedule, 2)
    assert runs_of(engine, schedule["id"])[0]["status"] == "success"
    assert watermark_of(engine, run["connector_id"]) == "12"


def test_between_two_slices_no_other_run_of_the_connector_starts(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    script.behaviour = behave(slice_of("5", 50), moved())
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, call_of(first), now=at("02:01"))

    between = attempt_run(workshop, call_of(second), now=at("02:02"))
    attempt_run(workshop, call_of(first), now=at("02:02:01"))

    assert between is AttemptResult.SKIPPED
    first, second = runs_of(engine, schedule["id"])
    assert (first["status"], second["reason"]) == ("success", "overlap")


def test_with_queue_one_the_next_run_waits_for_one_between_two_slices(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), from_instant=at("02:00"), overlap_policy="queue_one"
    )
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    script.behaviour = behave(slice_of("5", 50))
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, call_of(first), now=at("02:01"))
    assert attempt_run(workshop, call_of(second), now=at("02:02")) is AttemptResult.PUT_BACK


def test_a_run_with_slices_behind_it_keeps_its_connector_while_it_waits_for_a_retry(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)
    pause = TransientError("Too many.", code="rate_limited", retry_after=timedelta(minutes=50))
    script.behaviour = behave(slice_of("5", 50), pause, moved(cursor="12"))
    attempt_run(workshop, call_of(first), now=at("02:01"))
    attempt_run(workshop, call_of(first), now=at("02:01:01"))

    assert attempt_run(workshop, call_of(second), now=at("02:02")) is AttemptResult.SKIPPED
    assert attempt_run(workshop, call_of(first), now=at("02:52")) is AttemptResult.RECORDED
    first, second = runs_of(engine, schedule["id"])
    assert (first["status"], second["reason"]) == ("success", "overlap")


def test_who_waits_for_a_run_with_slices_behind_it_is_not_given_a_place_meanwhile(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), from_instant=at("02:00"), overlap_policy="queue_one"
    )
    tick(engine, paused, at("02:00:45"))
    first, second = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)
    pause = TransientError("Too many.", code="rate_limited", retry_after=timedelta(minutes=50))
    script.behaviour = behave(slice_of("5", 50), pause, moved(cursor="12"), moved(cursor="13"))
    attempt_run(workshop, call_of(first), now=at("02:01"))
    attempt_run(workshop, call_of(first), now=at("02:01:01"))
    attempt_run(workshop, call_of(second), now=at("02:02"))

    for minute in range(3, 30):
        tick(engine, paused, at(f"02:{minute:02}"))

    assert events_of(engine, second["id"]).count("put_back") == 1
    attempt_run(workshop, call_of(first), now=at("02:52"))
    [waited] = [run for run in runs_of(engine, schedule["id"]) if run["id"] == second["id"]]
    assert waited["admitted_at"] == at("02:52")


def test_a_run_that_did_not_begin_takes_no_place_of_one_between_two_slices(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    one = make_schedule(engine, tenant, from_instant=at("01:59"), cron_expression="0 2 * * *")
    other = make_schedule(engine, tenant, from_instant=at("01:59"), cron_expression="1 2 * * *")
    tick(engine, paused, at("01:59:45"))
    [first], [second] = runs_of(engine, one["id"]), runs_of(engine, other["id"])
    workshop = make_workshop(engine, paused)
    script.behaviour = behave(slice_of("5", 50), moved(cursor="12"))
    attempt_run(workshop, call_of(first), now=at("02:00:01"))
    assert attempt_run(workshop, call_of(second), now=at("02:01")) is AttemptResult.PUT_BACK
    assert attempt_run(workshop, call_of(first), now=at("02:01:01")) is AttemptResult.RECORDED
    assert runs_of(engine, one["id"])[0]["status"] == "success"


def test_a_lost_task_is_noticed_as_fast_after_many_slices_as_before_the_first(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused)
    script.behaviour = behave(*(slice_of(str(row), row) for row in range(1, 6)), moved())
    for second in range(1, 6):
        work(engine, paused, schedule, second)
    [before] = runs_of(engine, schedule["id"])
    with engine.begin() as connection:  # as its worker noted it, by the simulated clock
        query = "UPDATE workspace_connector_sync_log SET enqueued_at = :at WHERE id = :id"
        connection.execute(text(query), {"at": at("02:00:05"), "id": before["id"]})
    tick(engine, paused, at("02:05:30"))
    [after] = runs_of(engine, schedule["id"])
    assert after["task_generation"] == before["task_generation"] + 1
    assert after["lost_tasks"] == 1


def test_a_long_run_is_not_put_off_for_its_age(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused, max_attempts=1)
    pause = TransientError("Too many.", code="rate_limited", retry_after=timedelta(minutes=1))
    script.behaviour = behave(slice_of("5", 50), pause, slice_of("6", 60), pause)
    work(engine, paused, schedule, 1)
    for hours in (30, 31, 60):
        work(engine, paused, schedule, 3_600 * hours)
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["attempt"]) == ("scheduled", 0)
    assert after["next_attempt_at"] - after["leased_at"] == timedelta(minutes=1)


def test_a_run_between_two_slices_is_the_active_one_for_who_triggers(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine)
    schedule, run = due_run(engine, paused, tenant=tenant)
    script.behaviour = behave(slice_of("5", 50))
    work(engine, paused, schedule, 1)
    with pytest.raises(RunActiveError) as caught:
        trigger_schedule(engine, lambda: paused.queue, tenant.principal, schedule["public_id"])
    assert caught.value.run == public_id(run)


def test_a_lost_task_between_two_slices_is_made_again(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused)
    script.behaviour = behave(slice_of("5", 50), moved())
    work(engine, paused, schedule, 1)
    [between] = runs_of(engine, schedule["id"])
    tick(engine, paused, at("02:20"))
    tick(engine, paused, at("02:40"))
    [later] = runs_of(engine, schedule["id"])
    assert later["task_generation"] > between["task_generation"]
    assert later["enqueued_at"] is not None
    assert work(engine, paused, schedule, 3_000) is AttemptResult.RECORDED


def test_reading_stops_in_time_for_loading(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    seen: list[bool] = []

    def read(request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
        seen.append(request.has_time())
        return moved()

    script.behaviour = read
    workshop = replace(make_workshop(engine, paused), slice=timedelta(microseconds=1))
    attempt_run(workshop, call_of(run), now=at("02:00:01"))
    assert seen == [False]
    assert runs_of(engine, schedule["id"])[0]["status"] == "success"


def test_marks_of_another_column_or_type_are_compared_with_nothing() -> None:
    number = {"type": "int", "value": "5"}
    kept = slices_flow.kept_watermarks(
        _request(Watermark("flight", "updated_at", number)),
        replace(moved(), watermarks=(Watermark("flight", "id", {"type": "int", "value": "1"}),)),
    )
    assert [mark.cursor for mark in kept] == ["id"]


def _request(*watermarks: Watermark) -> SyncRequest:
    return SyncRequest(
        run_id=uuid4(),
        connector_id=uuid4(),
        config=ScriptedConfig(),
        watermarks={mark.stream: mark for mark in watermarks},
        dataset_url="",
        dataset_name="",
    )
