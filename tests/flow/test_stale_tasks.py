"""Tasks that a newer one replaced, or that speak of another workspace, start nothing."""

from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.domain.task import TaskCall, read_task
from shared.flow.attempt import AttemptResult, attempt_run
from shared.logs import fields_of
from tests.factories import at, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop, public_id, tick


def workspace_id(engine: Engine, internal: int) -> object:
    with engine.connect() as connection:
        query = text("SELECT public_id FROM workspace WHERE id = :id")
        return connection.execute(query, {"id": internal}).scalar_one()


def reasons(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    told = [(record.levelname, fields_of(record)) for record in caplog.records]
    return [
        (level, fields["reason"])
        for level, fields in told
        if fields.get("event") == "run_nothing_to_do"
    ]


def test_a_task_says_which_run_of_which_workspace_in_which_generation(
    engine: Engine, paused: PausedQueue
) -> None:
    _, run = due_run(engine, paused)
    [task] = paused.tasks()
    said = read_task(task.http_request.body)
    assert said == TaskCall(public_id(run), workspace_id(engine, run["workspace_id"]), 0)


def test_a_task_that_was_replaced_starts_nothing_and_leaves_the_newer_one_alone(
    engine: Engine, paused: PausedQueue, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    schedule, run = due_run(engine, paused)
    tick(engine, paused, at("02:10"))
    [before] = runs_of(engine, schedule["id"])
    assert before["task_generation"] == 1
    workshop = make_workshop(engine, paused)

    late = attempt_run(workshop, TaskCall(public_id(run), None, 0), now=at("02:11"))

    assert late is AttemptResult.NOTHING_TO_DO
    assert runs_of(engine, schedule["id"]) == [before]
    assert script.requests == []
    newer = attempt_run(workshop, TaskCall(public_id(run), None, 1), now=at("02:11"))
    assert newer is AttemptResult.RECORDED


def test_a_stale_task_does_not_put_a_run_back_whose_newer_task_is_on_its_way(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    tick(engine, paused, at("02:10"))
    [before] = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)
    early = attempt_run(workshop, TaskCall(public_id(run), None, 0), now=at("01:00"))
    assert early is AttemptResult.NOTHING_TO_DO
    assert runs_of(engine, schedule["id"]) == [before]


def test_a_task_of_another_workspace_finds_no_run(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    other = workspace_id(engine, make_tenant(engine).workspace_id)
    call = TaskCall(public_id(run), other, 0)
    result = attempt_run(make_workshop(engine, paused), call, now=at("02:00:01"))
    assert result is AttemptResult.NOTHING_TO_DO
    assert runs_of(engine, schedule["id"])[0]["status"] == "scheduled"
    assert script.requests == []


def test_what_a_repeat_cannot_help_is_a_warning_and_a_second_delivery_is_not(
    engine: Engine, paused: PausedQueue, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    _, run = due_run(engine, paused)
    workshop = make_workshop(engine, paused)
    with caplog.at_level("INFO"):
        attempt_run(workshop, TaskCall(uuid4()), now=at("02:00:01"))
        attempt_run(workshop, TaskCall(public_id(run), None, 5), now=at("02:00:01"))
        attempt_run(workshop, call_of(run), now=at("02:00:01"))
        attempt_run(workshop, call_of(run), now=at("02:00:02"))
    assert reasons(caplog) == [
        ("WARNING", "unknown_run"),
        ("WARNING", "stale_generation"),
        ("INFO", "not_waiting"),
    ]
