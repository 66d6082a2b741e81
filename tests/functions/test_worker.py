"""The worker as Cloud Tasks calls it."""

import io
import sys
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tests.functions.conftest import Logged, Serve, Tokens

pytestmark = pytest.mark.usefixtures("paused_queues")


def test_a_call_without_a_token_is_refused_before_its_body_is_read(serve: Serve) -> None:
    answer = serve("worker").post("/", data=b"not JSON")
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")


def test_a_call_with_the_dispatchers_token_is_refused_and_logged(
    serve: Serve, tokens: Tokens, logged: Logged
) -> None:
    headers = tokens.scheduler()
    answer = serve("worker").post("/", json={"run_id": str(uuid4())}, headers=headers)
    assert answer.status_code == 401
    written, (line,) = logged.read()
    assert (line["event"], line["service"]) == ("caller_refused", "worker")
    assert line["reason"] == "the token is not valid: InvalidValue"
    assert headers["Authorization"].rpartition(".")[2] not in written


def test_only_post_is_a_task(serve: Serve, tokens: Tokens) -> None:
    assert serve("worker").get("/", headers=tokens.tasks()).status_code == 405


def test_headers_of_cloud_tasks_open_nothing(serve: Serve) -> None:
    headers = {"X-CloudTasks-QueueName": "q", "X-CloudTasks-TaskName": "t"}
    answer = serve("worker").post("/", json={"run_id": str(uuid4())}, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"null",
        b"7",
        b'"run_id"',
        b"[]",
        b'[{"run_id": "x"}]',
        b"{}",
        b'{"run": "x"}',
        b'{"run_id": null}',
        b'{"run_id": 7}',
        b'{"run_id": ["x"]}',
        b'{"run_id": ""}',
        b'{"run_id": "not-a-uuid"}',
        b'{"run_id": "3f0c2c7e-6f1c-4f6f-9d0a-0d5f4f5b7f55", "generation": "1"}',
        b'{"run_id": "3f0c2c7e-6f1c-4f6f-9d0a-0d5f4f5b7f55", "generation": -1}',
        b'{"run_id": "3f0c2c7e-6f1c-4f6f-9d0a-0d5f4f5b7f55", "generation": 9999999999}',
        b'{"run_id": "3f0c2c7e-6f1c-4f6f-9d0a-0d5f4f5b7f55", "generation": true}',
        b'{"run_id": "3f0c2c7e-6f1c-4f6f-9d0a-0d5f4f5b7f55", "workspace_id": 1}',
        b'{"run_id": "3f0c2c7e-6f1c-4f6f-9d0a-0d5f4f5b7f55", "workspace_id": "x"}',
        b"[" * 1_000,
    ],
    ids=range(22),
)
def test_a_body_that_names_no_run_is_a_bad_task(
    serve: Serve, tokens: Tokens, logged: Logged, body: bytes
) -> None:
    answer = serve("worker").post(
        "/", data=body, headers=tokens.tasks(), content_type="application/json"
    )
    # 2xx, since another answer would make Cloud Tasks repeat what cannot help.
    assert (answer.status_code, answer.json) == (200, {"result": "bad_task"})
    _, lines = logged.read()
    [line] = [line for line in lines if line.get("event") == "bad_task"]
    assert (line["severity"], line["body_bytes"]) == ("WARNING", len(body))


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
def test_a_huge_body_is_a_bad_task(
    serve: Serve, tokens: Tokens, declared: bool, logged: Logged
) -> None:
    body = io.BytesIO(b" " * 50_000_000)
    environ = {"wsgi.input_terminated": True} if not declared else {}
    length = 50_000_000 if declared else None
    answer = serve("worker").post(
        "/",
        input_stream=body,
        content_length=length,
        headers=tokens.tasks(),
        environ_overrides=environ,
    )
    assert (answer.status_code, answer.json) == (200, {"result": "bad_task"})
    assert logged.read()[1][-1]["body_bytes"] == "too many"


def test_a_look_is_one_of_the_workers_errands(serve: Serve, tokens: Tokens) -> None:
    worker = serve("worker")
    assert worker.post("/look", data=b"{}").status_code == 401
    answer = worker.post("/look", data=b"{}", headers=tokens.tasks())
    assert (answer.status_code, answer.json) == (200, {"result": "looked"})


def test_a_warm_up_imports_what_a_sync_needs_and_the_next_run_is_not_cold(
    serve: Serve, tokens: Tokens, logged: Logged, engine: Engine
) -> None:
    worker = serve("worker")
    answer = worker.post("/warm-up", data=b"{}", headers=tokens.tasks())
    assert (answer.status_code, answer.json) == (200, {"result": "warm"})
    assert "shared.connectors.database.sync" in sys.modules
    assert [line["event"] for line in logged.read()[1]].count("worker_warm") == 1
    with engine.connect() as connection:
        seen = connection.execute(text("SELECT count(*) FROM worker_instance")).scalar_one()
    assert seen == 1


def test_an_unknown_run_is_nothing_to_do(serve: Serve, tokens: Tokens, logged: Logged) -> None:
    run = str(uuid4())
    worker = serve("worker")
    for _ in range(2):
        answer = worker.post("/", json={"run_id": run}, headers=tokens.tasks())
        assert (answer.status_code, answer.json) == (200, {"result": "nothing_to_do"})
    _, lines = logged.read()
    seen = [line["run_id"] for line in lines if line.get("event") == "run_nothing_to_do"]
    assert seen == [run, run]


def test_a_body_of_another_shape_does_not_choose_a_tenant(serve: Serve, tokens: Tokens) -> None:
    body: dict[str, Any] = {
        "run_id": str(uuid4()),
        "workspace_id": str(uuid4()),
        "connector_id": 1,
    }
    answer = serve("worker").post("/", json=body, headers=tokens.tasks())
    assert answer.json == {"result": "nothing_to_do"}
