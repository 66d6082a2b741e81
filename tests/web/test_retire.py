from uuid import uuid4

import pytest
from google.cloud import tasks_v2
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from shared.flow.workspaces import disable_workspace, enable_workspace
from tests.factories import CONFIG, Tenant, end_workspace
from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")


def path(schedule: dict) -> str:
    return f"/api/v2/sync-schedules/{schedule['id']}"


def connector(schedule: dict) -> str:
    return f"/api/v2/connectors/{schedule['connector_id']}"


def delete(caller: Caller, what: str) -> TestResponse:
    headers = {"Authorization": f"Bearer {caller.key}"} if caller.key else {}
    return caller.client.delete(what, headers=headers)


def every_minute(caller: Caller) -> dict:
    return caller.new_schedule(frequency="custom", preferred_time=None, cron_expression="* * * * *")


def history(caller: Caller, schedule: dict) -> set[tuple[str, str | None]]:
    items = caller.get(f"{path(schedule)}/history").json["items"]
    return {(run["status"], run["reason"]) for run in items}


def test_a_disabled_connector_says_so_on_its_schedule_until_it_is_enabled(alice: Caller) -> None:
    schedule = every_minute(alice)

    disabled = alice.post(f"{connector(schedule)}/disable")

    assert (disabled.status_code, disabled.json["status"]) == (200, "disabled")
    assert alice.get(connector(schedule)).json == disabled.json
    assert history(alice, schedule) == {("cancelled", "connector_disabled")}
    shown = alice.get(path(schedule)).json
    assert shown["outlook"]["text"] == "Its connector is disabled: enable it to go on."
    assert shown["next_scheduled_at"] is None
    refused = alice.post(f"{path(schedule)}/trigger")
    assert (refused.status_code, refused.json["code"]) == (409, "connector_unavailable")

    enabled = alice.post(f"{connector(schedule)}/enable")

    assert (enabled.status_code, enabled.json["status"]) == (200, "connected")
    # A minute may begin between the two calls.
    assert alice.get(path(schedule)).json["outlook"]["kind"] in ("planned", "queued")


def test_what_enabling_plans_for_the_next_seconds_has_its_task_at_once(
    alice: Caller, queue_client: tasks_v2.CloudTasksClient
) -> None:
    schedule = every_minute(alice)
    alice.post(f"{connector(schedule)}/disable")
    alice.post(f"{connector(schedule)}/enable")
    runs = alice.get(f"{path(schedule)}/history").json["items"]
    waiting = [run for run in runs if run["status"] == "scheduled"]
    assert waiting
    assert all(run["cloud_task_id"] for run in waiting)


def test_a_deleted_connector_is_gone_with_its_schedule_and_its_name_is_free(alice: Caller) -> None:
    schedule = every_minute(alice)
    [run, *_] = alice.get(f"{path(schedule)}/history").json["items"]
    name = alice.get(connector(schedule)).json["name"]

    deleted = delete(alice, connector(schedule))

    assert (deleted.status_code, deleted.data) == (204, b"")
    for gone in (connector(schedule), path(schedule), f"{path(schedule)}/history"):
        assert alice.get(gone).status_code == 404, gone
    assert alice.get("/api/v2/connectors").json["items"] == []
    assert alice.get("/api/v2/sync-schedules").json["items"] == []
    assert alice.post(f"{path(schedule)}/trigger").status_code == 404
    assert delete(alice, connector(schedule)).status_code == 404
    kept = alice.get(f"/api/v2/runs/{run['id']}").json
    assert (kept["status"], kept["reason"]) == ("cancelled", "connector_deleted")
    body = {"type": "database", "name": name, "config": CONFIG}
    assert alice.post("/api/v2/connectors", body).status_code == 201


def test_a_deleted_schedule_leaves_its_runs_and_its_connector(alice: Caller) -> None:
    schedule = every_minute(alice)
    [run, *_] = alice.get(f"{path(schedule)}/history").json["items"]

    deleted = delete(alice, path(schedule))

    assert (deleted.status_code, deleted.data) == (204, b"")
    assert alice.get(path(schedule)).status_code == 404
    assert delete(alice, path(schedule)).status_code == 404
    kept = alice.get(f"/api/v2/runs/{run['id']}").json
    assert (kept["reason"], kept["schedule_id"]) == ("schedule_deleted", None)
    assert kept["connector_id"] == schedule["connector_id"]
    body = {"connector_id": schedule["connector_id"], "name": "anew", "frequency": "manual"}
    assert alice.post("/api/v2/sync-schedules", body).status_code == 201


def test_a_disabled_schedule_may_still_be_triggered_and_its_manual_run_goes_on(
    alice: Caller,
) -> None:
    schedule = every_minute(alice)
    run = alice.post(f"{path(schedule)}/trigger").json

    disabled = alice.patch(path(schedule), {"is_enabled": False}).json

    assert disabled["next_scheduled_at"] is None
    assert alice.get(f"/api/v2/runs/{run['id']}").json["status"] == "scheduled"
    ended = history(alice, schedule) - {("scheduled", None)}
    assert ended == {("cancelled", "schedule_disabled")}


ACTS = ["disable", "enable", "delete", "delete schedule"]


@pytest.mark.parametrize("act", ACTS)
def test_who_may_retire_what(
    alice: Caller, bob: Caller, mallory: Caller, stranger: Caller, act: str
) -> None:
    schedule = alice.new_schedule()

    def try_it(caller: Caller) -> int:
        match act:
            case "delete":
                return delete(caller, connector(schedule)).status_code
            case "delete schedule":
                return delete(caller, path(schedule)).status_code
            case _:
                return caller.post(f"{connector(schedule)}/{act}").status_code

    assert [try_it(caller) for caller in (stranger, bob, mallory)] == [401, 403, 404]
    assert try_it(alice) in (200, 204)


def test_what_is_not_there_is_404(alice: Caller) -> None:
    missing = f"/api/v2/connectors/{uuid4()}"
    assert alice.post(f"{missing}/disable").status_code == 404
    assert alice.post(f"{missing}/enable").status_code == 404
    assert delete(alice, missing).status_code == 404
    assert delete(alice, f"/api/v2/sync-schedules/{uuid4()}").status_code == 404


def test_the_keys_of_a_disabled_workspace_are_refused_until_it_is_enabled(
    alice: Caller, bob: Caller, mallory: Caller, engine: Engine, tenant: Tenant
) -> None:
    disable_workspace(engine, tenant.workspace_id)

    for caller in (alice, bob):
        answer = caller.get("/api/v2/connectors")
        assert (answer.status_code, answer.json["code"]) == (403, "workspace_disabled")
    assert mallory.get("/api/v2/connectors").status_code == 200

    enable_workspace(engine, tenant.workspace_id)
    assert alice.get("/api/v2/connectors").status_code == 200


def test_the_keys_of_a_deleted_workspace_are_nobodys(
    alice: Caller, engine: Engine, tenant: Tenant
) -> None:
    end_workspace(engine, tenant.workspace_id)
    answer = alice.get("/api/v2/connectors")
    assert (answer.status_code, answer.json["code"]) == (401, "workspace_deleted")
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    wrong = Caller(alice.client, alice.key[:-1] + ("0" if alice.key[-1] != "0" else "1"))
    assert wrong.get("/api/v2/connectors").json["code"] == "unauthenticated"
