from uuid import uuid4

import pytest
from google.cloud import tasks_v2
from sqlalchemy import Engine, text

from shared.domain.access import Role
from shared.flow.manage import create_api_key
from tests.factories import Tenant
from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")


def triggered(caller: Caller) -> str:
    """Return the path of a manual run that waits."""
    schedule = caller.new_schedule()
    run = caller.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger").json
    return f"/api/v2/runs/{run['id']}"


def test_a_cancelled_run_is_answered_with_its_timeline(alice: Caller) -> None:
    run = triggered(alice)

    answer = alice.post(f"{run}/cancel", {"note": "  wrong month "})

    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["reason"]) == ("cancelled", "cancelled_by_user")
    last = answer.json["timeline"][-1]
    assert (last["kind"], last["at"]) == ("cancelled", answer.json["completed_at"])
    said = {"reason": "cancelled_by_user", "note": "wrong month", "by": "alice"}
    assert last["detail"] == said
    assert alice.get(run).json == answer.json


def test_a_cancel_needs_no_body_and_may_be_repeated(alice: Caller) -> None:
    run = triggered(alice)
    headers = {"Authorization": f"Bearer {alice.key}"}

    first = alice.client.post(f"{run}/cancel", headers=headers)
    again = alice.post(f"{run}/cancel", {"note": "again"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json == first.json


def test_a_run_that_ended_is_a_conflict_that_names_its_status(
    alice: Caller, engine: Engine
) -> None:
    run = triggered(alice)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = 'success', started_at = now(),"
                " completed_at = now(), duration_ms = 0"
            )
        )

    answer = alice.post(f"{run}/cancel")

    assert (answer.status_code, answer.mimetype) == (409, "application/problem+json")
    assert (answer.json["code"], answer.json["run_status"]) == ("run_ended", "success")
    assert "its status is success" in answer.json["detail"]
    assert alice.get(run).json["status"] == "success"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"note": "x" * 501}, "string_too_long"),
        ({"note": "two\nlines"}, "value_error"),
        ({"note": 7}, "string_type"),
        ({"force": True}, "extra_forbidden"),
    ],
)
def test_a_note_that_makes_no_sense_is_refused_and_the_run_goes_on(
    alice: Caller, body: dict, code: str
) -> None:
    run = triggered(alice)
    answer = alice.post(f"{run}/cancel", body)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)
    assert alice.get(run).json["status"] == "scheduled"


def test_who_may_cancel_a_run(
    alice: Caller, bob: Caller, mallory: Caller, stranger: Caller, engine: Engine, tenant: Tenant
) -> None:
    path = f"{triggered(alice)}/cancel"
    key = create_api_key(engine, tenant.workspace_id, name="editor", role=Role.EDITOR)
    refused = [caller.post(path).status_code for caller in (stranger, bob, mallory)]
    assert refused == [401, 403, 404]
    assert Caller(alice.client, key).post(path).status_code == 200


def test_a_run_that_is_not_there_is_404(alice: Caller) -> None:
    assert alice.post(f"/api/v2/runs/{uuid4()}/cancel").status_code == 404
    assert alice.post("/api/v2/runs/none/cancel").status_code == 404


def test_after_the_only_planned_run_is_cancelled_the_next_run_is_a_later_period(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient, engine: Engine
) -> None:
    schedule = alice.new_schedule(
        frequency="custom", preferred_time=None, cron_expression="* * * * *"
    )
    path = f"/api/v2/sync-schedules/{schedule['id']}"

    cancelled = []
    for run in reversed(alice.get(f"{path}/history").json["items"]):
        alice.post(f"/api/v2/runs/{run['id']}/cancel")
        cancelled.append(run["period_at"])
        after = alice.get(path).json
        assert after["next_scheduled_at"] > max(cancelled)
        assert after["outlook"]["at"] > max(cancelled)
    assert cancelled
