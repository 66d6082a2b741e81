"""How late a run started is kept with every run, logged, and told when it is too much."""

import logging

import pytest
from sqlalchemy import Engine

from shared.errors import PermanentError, TransientError
from shared.flow.attempt import attempt_run
from shared.logs import fields_of
from tests.factories import at, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[tuple[str, int | None]]:
    return [
        (record.levelname, fields_of(record).get("drift_ms"))
        for record in caplog.records
        if fields_of(record).get("event") == event
    ]


@pytest.mark.parametrize(
    ("started", "drift_ms", "alerts"),
    [
        ("01:59:59", 0, []),
        ("02:00:02", 2_000, []),
        ("02:05:00", 300_000, []),
        ("02:05:01", 301_000, [("ERROR", 301_000)]),
    ],
)
def test_drift_is_kept_and_logged_and_above_five_minutes_it_alerts(
    engine: Engine,
    paused: PausedQueue,
    script: Script,
    caplog: pytest.LogCaptureFixture,
    started: str,
    drift_ms: int,
    alerts: list[tuple[str, int]],
) -> None:
    schedule, run = due_run(engine, paused)
    with caplog.at_level(logging.INFO):
        attempt_run(make_workshop(engine, paused), call_of(run), now=at(started))
    assert runs_of(engine, schedule["id"])[0]["metadata"]["drift_ms"] == drift_ms
    assert told(caplog, "run_started") == [("INFO", drift_ms)]
    assert told(caplog, "drift_alert") == alerts


def test_a_run_that_fails_keeps_its_drift_too(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(PermanentError("The source has no such table."))
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:03"))
    assert runs_of(engine, schedule["id"])[0]["metadata"]["drift_ms"] == 3_000


def test_the_drift_is_that_of_the_first_start_and_retries_do_not_alert(
    engine: Engine, paused: PausedQueue, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    schedule, run = due_run(engine, paused)
    script.raises(TransientError("The source was away."))
    workshop = make_workshop(engine, paused)
    with caplog.at_level(logging.INFO):
        attempt_run(workshop, call_of(run), now=at("02:00:03"))
        attempt_run(workshop, call_of(run), now=at("04:00:00"))
    assert runs_of(engine, schedule["id"])[0]["metadata"]["drift_ms"] == 3_000
    assert told(caplog, "run_started") == [("INFO", 3_000), ("INFO", None)]
    assert told(caplog, "drift_alert") == []


@pytest.mark.parametrize("is_cold", [True, False])
def test_a_run_says_whether_its_worker_was_cold(
    engine: Engine, paused: PausedQueue, script: Script, is_cold: bool
) -> None:
    schedule, run = due_run(engine, paused)
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, call_of(run), is_cold=is_cold, now=at("02:00"))
    assert runs_of(engine, schedule["id"])[0]["metadata"]["cold_start"] is is_cold
