"""The dispatcher as Cloud Scheduler calls it."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from infra.local.cloud_tasks.faults import Fault, FaultKind
from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.clock import utc_now
from shared.config import Settings
from shared.gcp import task_queue
from shared.store.rows import Row
from tests.factories import make_schedule, make_tenant, runs_of
from tests.functions.conftest import Logged, Serve, Tokens

pytestmark = pytest.mark.usefixtures("paused_queues")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def ticks_of(engine: Engine) -> list[Row]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM tick ORDER BY id")).mappings())


def test_a_call_without_a_token_is_refused_and_logged(
    serve: Serve, engine: Engine, logged: Logged
) -> None:
    answer = serve("dispatcher").post("/")
    assert answer.status_code == 401
    assert answer.json == {
        "code": "unauthenticated",
        "detail": "A valid OIDC token is required.",
    }
    _, (line,) = logged.read()
    assert (line["event"], line["severity"]) == ("caller_refused", "WARNING")
    assert (line["service"], line["reason"]) == ("dispatcher", "no bearer token")
    assert ticks_of(engine) == []


def test_a_call_with_the_workers_token_is_refused_and_its_token_not_logged(
    serve: Serve, engine: Engine, tokens: Tokens, logged: Logged
) -> None:
    headers = tokens.tasks()
    answer = serve("dispatcher").post("/", headers=headers)
    assert answer.status_code == 401
    written, (line,) = logged.read()
    assert line["event"] == "caller_refused"
    for part in headers["Authorization"].removeprefix("Bearer ").split("."):
        assert part not in written
    assert ticks_of(engine) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_makes_a_tick(serve: Serve, engine: Engine, tokens: Tokens, method: str) -> None:
    answer = serve("dispatcher").open("/", method=method, headers=tokens.scheduler())
    assert answer.status_code == 405
    assert answer.json["code"] == "method_not_allowed"
    assert ticks_of(engine) == []


def test_another_method_without_a_token_learns_nothing(serve: Serve) -> None:
    assert serve("dispatcher").get("/").status_code == 401


def test_a_tick_with_nothing_to_do_is_a_row(serve: Serve, engine: Engine, tokens: Tokens) -> None:
    answer = serve("dispatcher").post("/", headers=tokens.scheduler())
    assert (answer.status_code, answer.json) == (200, {"claimed": 0, "enqueued": 0})
    (tick,) = ticks_of(engine)
    assert tick["completed_at"] is not None
    assert (tick["due"], tick["claimed"], tick["enqueued"]) == (0, 0, 0)


def test_a_tick_claims_and_enqueues_what_is_due(
    serve: Serve,
    engine: Engine,
    tokens: Tokens,
    settings: Settings,
    cloud_tasks: RunningCloudTasks,
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), from_instant=utc_now() - timedelta(minutes=2)
    )
    answer = serve("dispatcher").post("/", headers=tokens.scheduler())
    assert answer.status_code == 200
    runs = [run for run in runs_of(engine, schedule["id"]) if run["status"] == "scheduled"]
    assert answer.json["enqueued"] == len(runs) > 0
    with cloud_tasks.client() as client:
        parent = client.queue_path(settings.project, settings.location, settings.scheduled_queue)
        names = {task.name for task in client.list_tasks(parent=parent)}
    assert names == {run["cloud_task_id"] for run in runs}
    (tick,) = ticks_of(engine)
    assert (tick["claimed"], tick["enqueued"]) == (answer.json["claimed"], len(runs))


def test_a_tick_while_cloud_tasks_is_away_completes_and_counts_its_failures(
    serve: Serve,
    engine: Engine,
    tokens: Tokens,
    cloud_tasks: RunningCloudTasks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task_queue, "_PATIENCE_SECONDS", 0.2)
    make_schedule(engine, make_tenant(engine), from_instant=utc_now() - timedelta(minutes=2))
    dispatcher = serve("dispatcher")
    cloud_tasks.set_faults(Fault(FaultKind.UNAVAILABLE))
    answer = dispatcher.post("/", headers=tokens.scheduler())
    assert (answer.status_code, answer.json["enqueued"]) == (200, 0)
    (tick,) = ticks_of(engine)
    assert tick["completed_at"] is not None
    assert tick["enqueue_failures"] > 0


def test_the_log_of_a_tick_carries_its_trace(
    serve: Serve, tokens: Tokens, logged: Logged, settings: Settings
) -> None:
    headers = {**tokens.scheduler(), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    serve("dispatcher").post("/", headers=headers)
    _, lines = logged.read()
    (line,) = [line for line in lines if line.get("event") == "tick_completed"]
    trace = line["logging.googleapis.com/trace"]
    assert trace == f"projects/{settings.project}/traces/{TRACE}"


def test_keys_that_cannot_be_fetched_are_an_error_of_ours_and_the_platform_tries_again(
    serve: Serve, tokens: Tokens, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_OIDC_CERTS_URL", "http://127.0.0.1:1/certs")
    headers = tokens.scheduler()
    answer = serve("dispatcher").post("/", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    written, (line,) = logged.read()
    assert line["event"] == "request_failed"
    assert line["error_class"].startswith("TransientError at gcp/oidc.py:")
    assert headers["Authorization"].rpartition(".")[2] not in written
