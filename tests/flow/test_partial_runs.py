"""A run of which some streams failed keeps what the others brought, and says what is missing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from shared.connectors.base import StreamFailure, SyncResult
from shared.domain.fault import Fault
from shared.errors import PermanentError, TransientError
from shared.flow.attempt import attempt_run
from shared.flow.shortfalls import shortfall_of
from tests.factories import at, events_of, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    due_run,
    make_workshop,
    moved,
    schedule_row,
    watermark_of,
)

GONE = StreamFailure("orders", PermanentError("No such table.", fault=Fault.NOT_FOUND))
AWAY = StreamFailure("lines", TransientError("It is away.", fault=Fault.TIMEOUT))
DONE: Mapping[str, object] = {"flight": {"finished": True}}


def _work(engine: Engine, paused: PausedQueue, schedule: Mapping, minutes: int) -> Mapping:
    [run] = runs_of(engine, schedule["id"])
    now = at("02:00") + timedelta(minutes=minutes)
    attempt_run(make_workshop(engine, paused), call_of(run), now=now)
    return runs_of(engine, schedule["id"])[0]


def _behave(script: Script, result: SyncResult) -> None:
    script.behaviour = lambda *_: result


def test_a_failed_stream_makes_the_run_a_partial_success(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused)
    _behave(script, replace(moved(), failures=(GONE,)))
    run = _work(engine, paused, schedule, 0)
    assert (run["status"], run["reason"], run["error"]) == ("success", "partial", None)
    assert (run["records_processed"], run["records_failed"]) == (3, 1)
    assert run["metadata"]["failed_streams"] == {
        "orders": {"code": "configuration", "fault": "not_found", "error": "No such table."}
    }
    assert watermark_of(engine, run["connector_id"]) == "7"
    shown = schedule_row(engine, schedule["id"])
    assert (shown["last_run_status"], shown["last_run_error"]) == (
        "partial",
        "orders: No such table.",
    )
    assert events_of(engine, run["id"])[-1] == "succeeded"


def test_a_stream_that_failed_for_a_while_is_tried_again_and_what_landed_is_kept(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused)
    _behave(script, replace(moved(), failures=(AWAY,), positions=DONE, trouble=AWAY.error))
    run = _work(engine, paused, schedule, 0)
    assert (run["status"], run["reason"]) == ("scheduled", "source_unavailable")
    assert run["next_attempt_at"] is not None
    assert (run["attempt"], run["records_processed"], run["positions"]) == (1, 3, DONE)
    assert run["slices"] == 1  # so that no other run starts between
    assert watermark_of(engine, run["connector_id"]) == "7"

    _behave(script, moved(processed=2, cursor="9"))
    run = _work(engine, paused, schedule, 60)
    assert script.requests[-1].positions == DONE
    assert (run["status"], run["reason"]) == ("success", None)
    assert (run["records_processed"], run["records_failed"]) == (5, 0)
    assert run["metadata"]["failed_streams"] == {}
    assert run["metadata"]["pages_fetched"] == 2
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "success"


def test_a_stream_that_fails_in_every_attempt_leaves_a_partial_success(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused, max_attempts=2)
    _behave(script, replace(moved(), failures=(AWAY,), positions=DONE, trouble=AWAY.error))
    assert _work(engine, paused, schedule, 0)["status"] == "scheduled"
    run = _work(engine, paused, schedule, 60)
    assert (run["status"], run["reason"], run["records_failed"]) == ("success", "partial", 1)
    assert run["positions"] == {}


def test_a_slice_that_has_more_goes_on_at_once_and_a_stream_that_recovers_is_not_told(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused)
    more = {"flight": {"row": 50}}
    _behave(script, replace(moved(), failures=(AWAY,), positions=more))
    run = _work(engine, paused, schedule, 0)
    assert (run["status"], run["slices"], run["next_attempt_at"]) == ("scheduled", 1, None)
    assert set(run["metadata"]["failed_streams"]) == {"lines"}
    _behave(script, moved(cursor="9"))
    run = _work(engine, paused, schedule, 1)
    assert (run["status"], run["reason"], run["records_failed"]) == ("success", None, 0)


def test_a_shortfall_names_the_first_stream_and_counts_the_rest() -> None:
    assert shortfall_of((), 0) is None
    assert shortfall_of((), 1) == "1 record could not be loaded."
    assert shortfall_of((GONE, AWAY), 12) == (
        "orders: No such table. 1 other stream failed as well. 12 records could not be loaded."
    )
    assert "2 other streams failed" in str(shortfall_of((GONE, AWAY, AWAY), 0))


def test_attempts_that_get_on_are_not_counted_against_the_run(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, _ = due_run(engine, paused, max_attempts=2)
    for hour in range(4):
        positions = {**DONE, "hotel": {"row": hour}}
        _behave(script, replace(moved(), failures=(AWAY,), positions=positions, trouble=AWAY.error))
        run = _work(engine, paused, schedule, 60 * hour)
        assert (run["status"], run["attempt"]) == ("scheduled", 1)
    failed = {**positions, "": {"lines": "It is away."}}
    _behave(script, replace(moved(), failures=(AWAY,), positions=failed, trouble=AWAY.error))
    assert _work(engine, paused, schedule, 300)["attempt"] == 2
