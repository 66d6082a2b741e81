import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from google.cloud import tasks_v2
from sqlalchemy import Engine, text

from shared.wiring import Wiring
from tests.web.conftest import Caller


def test_a_schedule_is_created_with_its_next_run_and_read_again(alice: Caller) -> None:
    created = alice.new_schedule(frequency="daily", preferred_time="02:00")
    assert created["timezone"] == "Europe/Oslo"
    assert created["last_run_status"] == "never_run"
    following = datetime.fromisoformat(created["next_scheduled_at"])
    assert following > datetime.now(UTC)
    assert following.hour in (0, 1)
    assert alice.get(f"/api/v2/sync-schedules/{created['id']}").json == created
    assert [one["id"] for one in alice.get("/api/v2/sync-schedules").json["items"]] == [
        created["id"]
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"frequency": "hourly", "preferred_time": "00:15"},
        {"frequency": "weekly", "preferred_time": "02:00", "preferred_day_of_week": "monday"},
        {"frequency": "monthly", "preferred_time": "02:00", "preferred_day_of_month": 28},
        {"frequency": "custom", "preferred_time": None, "cron_expression": "*/5 * * * *"},
        {"frequency": "manual", "preferred_time": None},
        {"frequency": "realtime", "preferred_time": None},
    ],
    ids=lambda values: values["frequency"],
)
def test_each_frequency_is_accepted(alice: Caller, values: dict) -> None:
    created = alice.new_schedule(**values)
    has_periods = values["frequency"] not in ("manual", "realtime")
    assert (created["next_scheduled_at"] is not None) == has_periods


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"frequency": "yearly"}, "/frequency", "valid_frequency_enum"),
        ({"preferred_time": "2:00"}, "/preferred_time", "preferred_time_format"),
        ({"preferred_time": None}, "/preferred_time", "preferred_time_format"),
        ({"timezone": "Mars/Olympus"}, "/timezone", "valid_iana_timezone"),
        ({"frequency": "weekly"}, "/preferred_day_of_week", "weekly_requires_day_of_week"),
        ({"frequency": "monthly"}, "/preferred_day_of_month", "monthly_requires_day_of_month"),
        (
            {"frequency": "monthly", "preferred_day_of_month": 29},
            "/preferred_day_of_month",
            "day_of_month_range",
        ),
        ({"preferred_day_of_month": 3}, "/preferred_day_of_month", "day_of_month_unused"),
        ({"frequency": "manual"}, "/preferred_time", "preferred_time_unused"),
        ({"cron_expression": "0 2 * * *"}, "/cron_expression", "cron_unused"),
        (
            {"frequency": "custom", "preferred_time": None, "cron_expression": "99 * * * *"},
            "/cron_expression",
            "cron_field_range",
        ),
        (
            {"frequency": "custom", "preferred_time": None},
            "/cron_expression",
            "custom_requires_cron",
        ),
        (
            {"frequency": "custom", "preferred_time": None, "cron_expression": "0 0 31 2 *"},
            "/cron_expression",
            "cron_never_fires",
        ),
    ],
)
def test_a_recurrence_that_cannot_be_is_refused_by_field_and_rule(
    alice: Caller, values: dict, pointer: str, code: str
) -> None:
    body = {
        "connector_id": alice.new_connector(),
        "name": "nightly",
        "frequency": "daily",
        "preferred_time": "02:00",
        **values,
    }
    answer = alice.post("/api/v2/sync-schedules", body)
    assert answer.status_code == 422
    [error] = answer.json["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert error["hint"]


def test_each_connector_has_exactly_one_schedule(alice: Caller) -> None:
    first = alice.new_schedule()
    body = {"connector_id": first["connector_id"], "name": "second", "frequency": "manual"}
    answer = alice.post("/api/v2/sync-schedules", body)
    assert (answer.status_code, answer.json["code"]) == (409, "one_schedule_per_integration")


def test_a_schedule_of_a_connector_that_is_not_there_is_refused(alice: Caller) -> None:
    body = {"connector_id": str(uuid4()), "name": "x", "frequency": "manual"}
    answer = alice.post("/api/v2/sync-schedules", body)
    assert (answer.status_code, answer.json["code"]) == (404, "foreign_key_integrity")


def test_the_next_run_that_is_shown_is_the_planned_one_if_there_is_one(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient
) -> None:
    schedule = alice.new_schedule(
        frequency="custom", preferred_time=None, cron_expression="* * * * *"
    )
    shown = datetime.fromisoformat(schedule["next_scheduled_at"])
    assert shown - datetime.now(UTC) <= timedelta(minutes=1)
    history = alice.get(f"/api/v2/sync-schedules/{schedule['id']}/history").json["items"]
    assert schedule["next_scheduled_at"] in [run["period_at"] for run in history]


def test_a_disabled_schedule_has_no_next_run(alice: Caller) -> None:
    assert alice.new_schedule(is_enabled=False)["next_scheduled_at"] is None


def test_a_trigger_makes_a_manual_run_with_a_task_on_the_interactive_queue(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient, wiring: Wiring
) -> None:
    schedule = alice.new_schedule()

    answer = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger")

    assert answer.status_code == 202
    run = answer.json
    assert (run["trigger_type"], run["status"], run["period_at"]) == ("manual", "scheduled", None)
    settings = wiring.settings
    parent = queue_client.queue_path(
        settings.project, settings.location, settings.interactive_queue
    )
    [task] = queue_client.list_tasks(parent=parent)
    assert task.name == run["cloud_task_id"]
    read = alice.get(answer.headers["Location"]).json
    assert [event["kind"] for event in read["timeline"]] == ["requested", "enqueued"]
    after = alice.get(f"/api/v2/sync-schedules/{schedule['id']}").json
    assert after["next_scheduled_at"] == schedule["next_scheduled_at"]


def test_a_connector_that_cannot_be_synced_is_not_triggered(alice: Caller, engine: Engine) -> None:
    schedule = alice.new_schedule()
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace_connector SET status = 'disabled'"))
    answer = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger")
    assert (answer.status_code, answer.json["code"]) == (409, "connector_unavailable")


def test_a_manual_run_overtakes_scheduled_ones_that_wait(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient, engine: Engine
) -> None:
    crowd = [alice.new_schedule(name=f"n{number}")["id"] for number in range(30)]
    wanted = alice.new_schedule(name="wanted")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
                " trigger_type, idempotency_key, period_at, not_before_at)"
                " SELECT s.workspace_id, s.connector_id, s.id, 'cloud_task', c.public_id || '-k',"
                " now(), now() - interval '1 hour' FROM sync_schedule AS s"
                " JOIN workspace_connector AS c ON c.id = s.connector_id"
                " WHERE s.public_id = ANY(:ids)"
            ),
            {"ids": crowd},
        )

    run = alice.post(f"/api/v2/sync-schedules/{wanted['id']}/trigger").json

    assert run["cloud_task_id"] is not None


def test_a_second_trigger_names_the_run_that_is_active(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient
) -> None:
    schedule = alice.new_schedule()
    first = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger").json
    second = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger")
    assert (second.status_code, second.json["code"]) == (409, "run_active")
    assert second.json["run_id"] == first["id"]


def test_triggers_at_once_give_one_run(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    answers = []

    def trigger() -> None:
        answers.append(alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger"))

    threads = [threading.Thread(target=trigger) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 11
    with engine.connect() as connection:
        count = connection.execute(text("SELECT count(*) FROM workspace_connector_sync_log"))
        assert count.scalar_one() == 1


def test_a_trigger_is_kept_when_cloud_tasks_is_away(alice: Caller, engine: Engine) -> None:
    # The queues were never made: Cloud Tasks answers NOT_FOUND.
    schedule = alice.new_schedule()

    answer = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger")

    assert answer.status_code == 202
    assert (answer.json["status"], answer.json["cloud_task_id"]) == ("scheduled", None)


def test_the_history_lists_runs_newest_first_in_pages(alice: Caller, engine: Engine) -> None:
    schedule = alice.new_schedule()
    add_runs(engine, 5)
    path = f"/api/v2/sync-schedules/{schedule['id']}/history"

    first = alice.get(f"{path}?limit=3").json
    rest = alice.get(f"{path}?limit=3&cursor={first['next_cursor']}").json

    reasons = [run["period_at"][:10] for run in first["items"] + rest["items"]]
    assert reasons == [f"2026-01-0{day}" for day in (5, 4, 3, 2, 1)]
    assert rest["next_cursor"] is None
    assert first["items"][0]["reason"] == "coalesced"


def add_runs(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
                " trigger_type, idempotency_key, period_at, not_before_at, status, reason,"
                " completed_at)"
                " SELECT workspace_id, connector_id, id, 'cloud_task', 'k' || n,"
                " make_date(2026, 1, n), make_date(2026, 1, n), 'skipped', 'coalesced', now()"
                " FROM sync_schedule, generate_series(1, CAST(:count AS integer)) AS n"
            ),
            {"count": count},
        )


@pytest.mark.parametrize("path", ["", "/history", "/trigger"])
def test_a_schedule_that_is_not_there_is_404(alice: Caller, path: str) -> None:
    call = alice.post if path == "/trigger" else alice.get
    assert call(f"/api/v2/sync-schedules/{uuid4()}{path}").status_code == 404
    assert call(f"/api/v2/sync-schedules/not-an-id{path}").status_code == 404


def test_the_schedule_of_a_connector_is_found_by_it(alice: Caller, mallory: Caller) -> None:
    schedule, _other = alice.new_schedule(), alice.new_schedule(name="another")
    path = f"/api/v2/sync-schedules?connector_id={schedule['connector_id']}"
    assert [one["id"] for one in alice.get(path).json["items"]] == [schedule["id"]]
    assert mallory.get(path).json["items"] == []
    answer = alice.get("/api/v2/sync-schedules?connector_id=x")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/connector_id")
