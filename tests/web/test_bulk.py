"""Bulk actions, retries and what comes next, over HTTP."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from shared.clock import utc_now
from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")
BULK = "/api/v2/sync-schedules/bulk"


def test_a_bulk_answers_each_schedule_by_itself(alice: Caller, mallory: Caller) -> None:
    mine, theirs = alice.new_schedule(), mallory.new_schedule()
    body = {"action": "trigger", "ids": [mine["id"], theirs["id"], str(uuid4())]}

    foreseen = alice.post(BULK, {**body, "dry_run": True}).json
    done = alice.post(BULK, body).json

    assert (
        foreseen["counts"]
        == done["counts"]
        == {
            "done": 1,
            "unchanged": 0,
            "refused": 2,
            "not_tried": 0,
        }
    )
    assert [item["problem"] and item["problem"]["code"] for item in done["items"]] == [
        None,
        "not_found",
        "not_found",
    ]
    assert foreseen["items"][0]["run_id"] is None
    assert alice.get(f"/api/v2/runs/{done['items'][0]['run_id']}").status_code == 200
    assert mallory.get("/api/v2/runs?trigger_type=manual").json["items"] == []


def test_a_filter_names_schedules_of_the_callers_workspace_alone(
    alice: Caller, mallory: Caller
) -> None:
    mine, theirs = alice.new_schedule(), mallory.new_schedule()
    body = {"action": "pause", "filter": {"frequency": "daily"}, "note": "moving"}

    answer = alice.post(BULK, body).json

    assert [item["schedule_id"] for item in answer["items"]] == [mine["id"]]
    assert alice.get(f"/api/v2/sync-schedules/{mine['id']}").json["pause_note"] == "moving"
    assert not mallory.get(f"/api/v2/sync-schedules/{theirs['id']}").json["is_paused"]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "pause"},
        {"action": "pause", "ids": []},
        {"action": "pause", "ids": [str(uuid4())], "filter": {}},
        {"action": "delete", "ids": [str(uuid4())]},
        {"action": "trigger", "ids": [str(uuid4())], "note": "x"},
        {"action": "pause", "ids": [str(uuid4()) for _ in range(501)]},
        {"action": "pause", "ids": ["none"]},
        {"action": "pause", "ids": [str(uuid4())], "until": "2020-01-01T00:00Z"},
    ],
)
def test_a_bulk_that_makes_no_sense_is_refused_as_a_whole(alice: Caller, body: dict) -> None:
    assert alice.post(BULK, body).status_code == 422


def test_a_repeated_bulk_gets_the_first_answer_and_starts_nothing(alice: Caller) -> None:
    body = {"action": "trigger", "ids": [alice.new_schedule()["id"]]}
    headers = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": "k1"}
    first, again = (alice.client.post(BULK, json=body, headers=headers) for _ in range(2))
    assert first.json["counts"]["done"] == 1
    assert (again.status_code, again.json) == (200, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_bulk_whose_time_was_over_goes_on_under_its_key_and_starts_nothing_twice(
    alice: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [alice.new_schedule(name=name)["id"] for name in ("a", "b", "c")]
    with monkeypatch.context() as patch:
        patch.setattr("shared.flow.bulk._PAGE", 1)
        patch.setattr("shared.flow.bulk._BUDGET_SECONDS", -1.0)
        first = trigger_all(alice, ids)
    end_runs(engine)  # so that nothing but its name keeps the first from being started again

    second, third = trigger_all(alice, ids), trigger_all(alice, ids)

    assert results(first) == ["done", "not_tried", "not_tried"]
    assert results(second) == ["done", "done", "done"]
    assert second.json["items"][0] == first.json["items"][0]
    assert third.json == second.json
    replayed = ["Idempotency-Replayed" in one.headers for one in (first, second, third)]
    assert replayed == [False, False, True]
    assert len(alice.get("/api/v2/runs").json["items"]) == 3


def test_a_bulk_that_is_refused_on_its_way_starts_nothing_twice_either(
    alice: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        alice.new_schedule(name=name)
    body = {"action": "trigger", "filter": {"frequency": "daily"}}
    obstruct, clear = OBSTACLES["rate_limited"]
    execute(engine, *obstruct)
    first = send_under_key(alice, body)
    execute(engine, *clear)
    with monkeypatch.context() as patch:
        patch.setattr("shared.flow.bulk.MAX_BULK", 1)  # as if somebody had made many more meanwhile
        refused = send_under_key(alice, body)
    end_runs(engine)

    second = send_under_key(alice, body)

    assert results(first) == ["done", "refused"]
    assert refused.status_code == 422
    assert results(second) == ["done", "done"]
    assert second.json["items"][0] == first.json["items"][0]
    assert len(alice.get("/api/v2/runs").json["items"]) == 2


@pytest.mark.parametrize("code", ["rate_limited", "database_busy"])
def test_what_was_in_the_way_of_one_of_many_passes_under_the_same_key(
    alice: Caller, engine: Engine, code: str
) -> None:
    ids = [alice.new_schedule(name=name)["id"] for name in ("a", "b")]
    obstruct, clear = OBSTACLES[code]
    execute(engine, *obstruct)
    first = trigger_all(alice, ids)
    execute(engine, *clear)

    second = trigger_all(alice, ids)

    assert [item["problem"] and item["problem"]["code"] for item in first.json["items"]] == [
        None,
        code,
    ]
    assert results(second) == ["done", "done"]
    assert second.json["items"][0] == first.json["items"][0]


def test_what_stays_refused_of_many_is_answered_as_before(alice: Caller) -> None:
    ids = [alice.new_schedule()["id"], str(uuid4())]
    first, second = trigger_all(alice, ids), trigger_all(alice, ids)
    assert results(first) == ["done", "refused"]
    assert second.headers["Idempotency-Replayed"] == "true"


def trigger_all(caller: Caller, ids: list[str]) -> TestResponse:
    """Trigger these, under the one key of a test."""
    return send_under_key(caller, {"action": "trigger", "ids": ids})


def send_under_key(caller: Caller, body: dict) -> TestResponse:
    headers = {"Authorization": f"Bearer {caller.key}", "Idempotency-Key": "k1"}
    return caller.client.post(BULK, json=body, headers=headers)


def results(answer: TestResponse) -> list[str]:
    return [item["result"] for item in answer.json["items"]]


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def end_runs(engine: Engine) -> None:
    execute(
        engine,
        "UPDATE workspace_connector_sync_log SET status = 'error', reason = 'authorization',"
        " started_at = now(), completed_at = now(), duration_ms = 0",
    )


BE_BUSY = (
    "CREATE FUNCTION be_busy() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE 'busy' USING ERRCODE = 'lock_not_available'; END $$"
)
BE_BUSY_WITH_THE_SECOND = (
    "CREATE TRIGGER be_busy BEFORE INSERT ON workspace_connector_sync_log FOR EACH ROW"
    " WHEN (NEW.schedule_id = 2) EXECUTE FUNCTION be_busy()"
)
OBSTACLES = {
    "rate_limited": (
        ["UPDATE workspace SET manual_triggers_per_minute = 1"],
        [
            "UPDATE workspace SET manual_triggers_per_minute = 60",
            "DELETE FROM trigger_allowance",
        ],
    ),
    "database_busy": (
        [BE_BUSY, BE_BUSY_WITH_THE_SECOND],
        ["DROP TRIGGER be_busy ON workspace_connector_sync_log"],
    ),
}
"""Statements that put something in the way of the second of two schedules, and take it away."""


def test_a_schedule_refused_by_the_rate_says_when_to_ask_again(
    alice: Caller, engine: Engine
) -> None:
    ids = [alice.new_schedule(name=name)["id"] for name in ("a", "b")]
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET manual_triggers_per_minute = 1"))
    answer = alice.post(BULK, {"action": "trigger", "ids": ids}).json
    problem = answer["items"][1]["problem"]
    assert problem["code"] == "rate_limited"
    assert 1 <= problem["retry_after_seconds"] <= 60


def test_who_may_act_on_many(bob: Caller, stranger: Caller) -> None:
    body = {"action": "trigger", "ids": [str(uuid4())], "dry_run": True}
    assert [one.post(BULK, body).status_code for one in (bob, stranger)] == [403, 401]


def test_a_failed_run_is_retried_and_shows_its_attempts(
    alice: Caller, bob: Caller, mallory: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    run = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger").json
    path = f"/api/v2/runs/{run['id']}"
    early = alice.post(f"{path}/retry")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)"
                " SELECT workspace_id, id, now(), kind, CAST(detail AS jsonb)"
                " FROM workspace_connector_sync_log CROSS JOIN (VALUES"
                " ('started', '{\"attempt\": 1}'), ('failed', '{\"reason\": \"authorization\"}'))"
                " AS e (kind, detail)"
            )
        )
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = 'error', reason ="
                " 'authorization', started_at = now(), completed_at = now(), duration_ms = 0"
            )
        )

    answer = alice.post(f"{path}/retry")
    again = alice.post(f"{path}/retry")

    assert (early.status_code, early.json["code"]) == (409, "run_not_repeatable")
    assert (answer.status_code, answer.json["retry_of"]) == (202, run["id"])
    assert answer.headers["Location"] == f"/api/v2/runs/{answer.json['id']}"
    assert (again.status_code, again.json["run_id"]) == (409, answer.json["id"])
    [attempt] = alice.get(path).json["attempts"]
    assert (attempt["number"], attempt["end"], attempt["reason"]) == (1, "failed", "authorization")
    assert [one.post(f"{path}/retry").status_code for one in (bob, mallory)] == [403, 404]


def test_upcoming_periods_come_in_pages(alice: Caller, mallory: Caller) -> None:
    for hours in (6, 7, 8):  # none of them is so soon that its run is written already
        at = utc_now() + timedelta(hours=hours)
        alice.new_schedule(name=f"{at:%H}", preferred_time=f"{at:%H}:00", timezone="UTC")

    first = alice.get("/api/v2/upcoming?limit=2").json
    second = alice.get(f"/api/v2/upcoming?limit=2&cursor={first['next_cursor']}").json

    items = [*first["items"], *second["items"]]
    assert len({item["schedule_id"] for item in items}) == 3
    assert [item["period_at"] for item in items] == sorted(item["period_at"] for item in items)
    assert (second["until"], second["next_cursor"]) == (first["until"], None)
    assert mallory.get("/api/v2/upcoming").json["items"] == []


@pytest.mark.parametrize("query", ["hours=0", "hours=169", "hours=x", "cursor=x", "limit=201"])
def test_an_upcoming_page_that_makes_no_sense_is_refused(alice: Caller, query: str) -> None:
    assert alice.get(f"/api/v2/upcoming?{query}").status_code == 422
