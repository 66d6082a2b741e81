from datetime import UTC, datetime, timedelta

import pytest
from google.cloud import tasks_v2
from sqlalchemy import Engine, text

from shared.wiring import Wiring
from tests.web.conftest import Caller

NIGHTLY = {"name": "nightly", "frequency": "daily", "preferred_time": "02:00"}


def path(schedule: dict, *more: str) -> str:
    return "/".join(["/api/v2/sync-schedules", schedule["id"], *more])


def history(caller: Caller, schedule: dict) -> list[tuple[str, str | None]]:
    items = caller.get(path(schedule, "history")).json["items"]
    return [(run["status"], run["reason"]) for run in items]


def test_a_patch_changes_what_it_names_and_recomputes_the_next_run(alice: Caller) -> None:
    schedule = alice.new_schedule(frequency="daily", preferred_time="02:00", timezone="UTC")

    answer = alice.patch(path(schedule), {"preferred_time": "03:30", "description": "books"})

    assert answer.status_code == 200
    changed = answer.json
    assert (changed["preferred_time"], changed["description"]) == ("03:30", "books")
    assert changed["next_scheduled_at"].endswith("T03:30:00Z")
    same = ("name", "frequency", "timezone", "overlap_policy", "spread_seconds", "created_at")
    assert {key: changed[key] for key in same} == {key: schedule[key] for key in same}
    assert alice.get(path(schedule)).json == changed


def test_a_put_sets_everything_and_gives_defaults_to_what_it_leaves_out(alice: Caller) -> None:
    schedule = alice.new_schedule(
        description="old", timezone="UTC", spread_seconds=60, missed_run_policy="run_all"
    )

    changed = alice.put(path(schedule), {"name": "new", "frequency": "manual"}).json

    assert (changed["name"], changed["description"]) == ("new", None)
    assert (changed["preferred_time"], changed["next_scheduled_at"]) == (None, None)
    assert (changed["timezone"], changed["spread_seconds"]) == ("Europe/Oslo", 0)
    assert changed["missed_run_policy"] == "run_once"


def test_an_empty_patch_changes_nothing(alice: Caller) -> None:
    schedule = alice.new_schedule()
    assert alice.patch(path(schedule), {}).json == schedule


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"frequency": "yearly"}, "valid_frequency_enum"),
        ({"frequency": "weekly"}, "weekly_requires_day_of_week"),
        ({"frequency": "monthly"}, "monthly_requires_day_of_month"),
        ({"preferred_time": None}, "preferred_time_format"),
        ({"timezone": "Mars/Olympus"}, "valid_iana_timezone"),
        ({"cron_expression": "0 2 * * *"}, "cron_unused"),
        ({"connector_id": "x"}, "extra_forbidden"),
        ({"name": None}, "string_type"),
        ({"name": "  "}, "string_too_short"),
        ({"frequency": None}, "string_type"),
        ({"spread_seconds": -1}, "greater_than_equal"),
        ({"max_attempts": 0}, "greater_than_equal"),
        ({"max_attempts": 21}, "less_than_equal"),
        ({"max_attempts": None}, "int_type"),
        ({"blackout_policy": "ignore"}, "literal_error"),
        ({"next_scheduled_at": "2030-01-01T00:00:00Z"}, "extra_forbidden"),
    ],
)
def test_a_patch_that_breaks_a_rule_is_refused_and_changes_nothing(
    alice: Caller, body: dict, code: str
) -> None:
    schedule = alice.new_schedule()
    answer = alice.patch(path(schedule), body)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)
    assert alice.get(path(schedule)).json == schedule


def test_a_run_that_an_edit_plans_for_the_next_seconds_has_its_task_at_once(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient, wiring: Wiring
) -> None:
    schedule = alice.new_schedule(frequency="manual", preferred_time=None)
    every_minute = {"frequency": "custom", "cron_expression": "* * * * *"}

    assert alice.patch(path(schedule), every_minute).status_code == 200

    settings = wiring.settings
    parent = queue_client.queue_path(settings.project, settings.location, settings.scheduled_queue)
    names = {task.name for task in queue_client.list_tasks(parent=parent)}
    runs = alice.get(path(schedule, "history")).json["items"]
    assert runs
    assert {run["cloud_task_id"] for run in runs} == names


def test_a_pause_and_a_resume_are_shown(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient
) -> None:
    schedule = alice.new_schedule(
        frequency="custom", preferred_time=None, cron_expression="* * * * *"
    )
    until = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)

    paused = alice.post(
        path(schedule, "pause"), {"until": until.isoformat(), "note": "books are closed"}
    ).json
    assert paused["paused_until"] == until.isoformat().replace("+00:00", "Z")
    assert paused["pause_note"] == "books are closed"
    assert set(history(alice, schedule)) == {("skipped", "paused")}

    resumed = alice.post(path(schedule, "resume")).json
    assert (resumed["paused_until"], resumed["pause_note"]) == (None, None)
    assert set(history(alice, schedule)) == {("scheduled", None)}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "pause_until_passed"),
        ({"until": "2030-01-01T00:00:00"}, "instant_form"),
        ({"until": "9999-12-31T23:59:59-23:59"}, "instant_form"),
        ({"until": "0001-01-01T00:00:00+23:59"}, "instant_form"),
        ({"until": "2999"}, "instant_form"),
        ({"until": 1893456000}, "string_type"),
        ({"until": "soon"}, "instant_form"),
        ({"note": "two\nlines"}, "value_error"),
        ({"note": "x" * 501}, "string_too_long"),
        ({"for": "ever"}, "extra_forbidden"),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused(alice: Caller, body: dict, code: str) -> None:
    schedule = alice.new_schedule()
    answer = alice.post(path(schedule, "pause"), body)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)


@pytest.mark.parametrize("act", ["put", "patch", "pause", "resume"])
def test_who_may_change_a_schedule(
    alice: Caller, bob: Caller, mallory: Caller, stranger: Caller, act: str
) -> None:
    schedule = alice.new_schedule()

    def try_it(caller: Caller) -> int:
        if act in ("put", "patch"):
            return getattr(caller, act)(path(schedule), NIGHTLY).status_code
        return caller.post(path(schedule, act)).status_code

    assert try_it(stranger) == 401
    assert try_it(bob) == 403
    assert try_it(mallory) == 404
    assert try_it(alice) == 200


def test_the_next_run_is_the_next_period_that_a_pause_lets_run(alice: Caller) -> None:
    schedule = alice.new_schedule(timezone="UTC")
    until = (datetime.now(UTC) + timedelta(days=3)).replace(hour=12, minute=0, second=0)

    ends = alice.post(path(schedule, "pause"), {"until": until.isoformat()}).json
    following = datetime.fromisoformat(ends["next_scheduled_at"])
    assert (following.date(), following.hour) == (until.date() + timedelta(days=1), 2)

    assert alice.post(path(schedule, "pause"), {}).json["next_scheduled_at"] is None


def test_a_pause_needs_no_body(alice: Caller) -> None:
    schedule = alice.new_schedule()
    headers = {"Authorization": f"Bearer {alice.key}"}
    answer = alice.client.post(path(schedule, "pause"), headers=headers)
    assert (answer.status_code, answer.json["is_paused"]) == (200, True)


def test_what_the_database_holds_after_a_pause_without_an_end(
    alice: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    paused = alice.post(path(schedule, "pause"), {}).json
    assert paused["paused_until"] is None
    assert paused["is_paused"]
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT paused_until FROM sync_schedule")).scalar_one()
    assert stored.year == 9999
