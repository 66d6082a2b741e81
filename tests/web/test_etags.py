import threading
from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from tests.factories import CONFIG
from tests.web.conftest import Caller


@dataclass(frozen=True)
class Editor:
    """Alice, who says what she has read."""

    client: FlaskClient
    key: str

    def __call__(self, method: str, path: str, body: object = None, **tags: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}"}
        headers |= {name.replace("_", "-"): value for name, value in tags.items()}
        return self.client.open(path, method=method, json=body, headers=headers)


@pytest.fixture
def send(alice: Caller) -> Editor:
    return Editor(alice.client, alice.key)


@pytest.fixture
def schedule(alice: Caller) -> str:
    return f"/api/v2/sync-schedules/{alice.new_schedule(frequency='daily')['id']}"


def tag_of(send: Editor, path: str) -> str:
    return send("GET", path).headers["ETag"]


@pytest.mark.parametrize(
    "path", ["/api/v2/connectors", "/api/v2/connector-types", "/api/v2/workspace/blackout-windows"]
)
def test_a_list_that_did_not_change_is_not_sent_again(send: Editor, path: str) -> None:
    tag = tag_of(send, path)
    answer = send("GET", path, If_None_Match=f'"other", {tag}')
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert "Content-Type" not in answer.headers


def test_a_tag_is_strong_and_changes_with_what_is_shown(send: Editor, schedule: str) -> None:
    before = tag_of(send, schedule)
    assert not before.startswith("W/")
    send("PATCH", schedule, {"description": "another"})
    assert tag_of(send, schedule) != before
    assert send("GET", schedule, If_None_Match=before).status_code == 200


def test_a_change_that_somebody_else_overtook_is_refused(send: Editor, schedule: str) -> None:
    read = tag_of(send, schedule)
    assert send("PATCH", schedule, {"name": "first"}, If_Match=read).status_code == 200

    lost = send("PATCH", schedule, {"name": "second"}, If_Match=read)

    assert (lost.status_code, lost.mimetype) == (412, "application/problem+json")
    assert lost.json["code"] == "precondition_failed"
    assert send("GET", schedule).json["name"] == "first"


def test_the_answer_to_a_change_has_the_tag_for_the_next_one(send: Editor, schedule: str) -> None:
    tag = send("PATCH", schedule, {"name": "a"}).headers["ETag"]
    tag = send("POST", f"{schedule}/pause", {}, If_Match=tag).headers["ETag"]
    tag = send("POST", f"{schedule}/resume", If_Match=tag).headers["ETag"]
    assert send("DELETE", schedule, If_Match=tag).status_code == 204


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("PATCH", "", {"name": "x"}),
        ("PUT", "", {"name": "x", "frequency": "manual"}),
        ("DELETE", "", None),
        ("POST", "/pause", {}),
        ("POST", "/resume", None),
    ],
)
def test_a_tag_of_another_version_or_a_weak_one_refuses_every_change_of_a_schedule(
    send: Editor, schedule: str, method: str, rest: str, body: object
) -> None:
    before = send("GET", schedule).json["version"]
    for tag in ('"0.x"', 'W/"1.x"', "nonsense", '""'):
        assert send(method, f"{schedule}{rest}", body, If_Match=tag).status_code == 412, tag
    assert send("GET", schedule).json["version"] == before


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
        ("PUT", "/watermarks/flight", {"value": "2026-03-01"}),
        ("DELETE", "/watermarks/flight", None),
    ],
)
def test_the_same_holds_for_a_connector_and_its_watermarks(
    alice: Caller, send: Editor, method: str, rest: str, body: object
) -> None:
    path = f"/api/v2/connectors/{alice.new_connector()}"
    assert send(method, f"{path}{rest}", body, If_Match='"0.x"').status_code == 412


def test_any_version_of_what_is_there_will_do_for_a_star(send: Editor, schedule: str) -> None:
    assert send("PATCH", schedule, {"name": "x"}, If_Match="*").status_code == 200
    gone = "/api/v2/sync-schedules/00000000-0000-4000-8000-000000000000"
    assert send("PATCH", gone, {"name": "x"}, If_Match="*").status_code == 404


def test_one_of_several_tags_is_enough(send: Editor, schedule: str) -> None:
    tags = f'"0.old", {tag_of(send, schedule)}'
    assert send("PATCH", schedule, {"name": "x"}, If_Match=tags).status_code == 200


def test_what_the_dispatcher_writes_is_no_lost_update(
    send: Editor, schedule: str, engine: Engine
) -> None:
    read = tag_of(send, schedule)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sync_schedule SET last_run_records_synced = 7"))
    assert tag_of(send, schedule) != read
    assert send("PATCH", schedule, {"name": "x"}, If_Match=read).status_code == 200


def test_watermarks_that_moved_meanwhile_are_not_overwritten(alice: Caller, send: Editor) -> None:
    path = f"/api/v2/connectors/{alice.new_connector()}/watermarks"
    read = tag_of(send, path)
    moved = send("PUT", f"{path}/flight", {"value": "2026-03-01"}, If_Match=read)
    assert moved.status_code == 200
    assert send("DELETE", f"{path}/flight", If_Match=read).status_code == 412
    assert send("DELETE", f"{path}/flight", If_Match=moved.headers["ETag"]).status_code == 204


def test_of_changes_at_once_that_saw_the_same_one_is_made(send: Editor, schedule: str) -> None:
    read = tag_of(send, schedule)
    answers = []

    def change(name: str) -> None:
        answers.append(send("PATCH", schedule, {"name": name}, If_Match=read).status_code)

    threads = [threading.Thread(target=change, args=(f"n{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [412] * 5


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [("PATCH", "", {"name": "x"}), ("POST", "/rotate", {}), ("DELETE", "", None)],
)
def test_the_same_holds_for_a_webhook_endpoint(
    alice: Caller, send: Editor, method: str, rest: str, body: object
) -> None:
    schedule = alice.new_schedule(frequency="realtime", preferred_time=None)
    new = {"connector_id": schedule["connector_id"], "name": "shop"}
    made = send("POST", "/api/v2/webhook-endpoints", new)
    path = f"/api/v2/webhook-endpoints/{made.json['id']}"
    assert tag_of(send, path).partition(".")[0] == made.headers["ETag"].partition(".")[0]
    renamed = send("PATCH", path, {"name": "till"}, If_Match=made.headers["ETag"])
    assert (renamed.status_code, renamed.json["name"]) == (200, "till")

    lost = send(method, f"{path}{rest}", body, If_Match=made.headers["ETag"])

    assert lost.status_code == 412
    assert send("GET", path).json == renamed.json
    done = send(method, f"{path}{rest}", body, If_Match=renamed.headers["ETag"])
    assert done.status_code in (200, 204)


def test_a_message_of_a_source_is_no_lost_update(
    alice: Caller, send: Editor, engine: Engine
) -> None:
    schedule = alice.new_schedule(frequency="realtime", preferred_time=None)
    new = {"connector_id": schedule["connector_id"], "name": "shop"}
    made = send("POST", "/api/v2/webhook-endpoints", new)
    with engine.begin() as connection:
        connection.execute(text("UPDATE webhook_endpoint SET last_used_at = now()"))
    path = f"/api/v2/webhook-endpoints/{made.json['id']}"
    tag = made.headers["ETag"]
    assert send("PATCH", path, {"name": "x"}, If_Match=tag).status_code == 200


def test_settings_of_the_workspace_that_somebody_else_changed_are_not_overwritten(
    send: Editor,
) -> None:
    path = "/api/v2/workspace"
    read = tag_of(send, path)
    first = send("PATCH", path, {"retention_days": 30}, If_Match=read)
    assert (first.status_code, first.json["version"]) == (200, 2)

    lost = send("PATCH", path, {"retention_days": 3}, If_Match=read)

    assert (lost.status_code, lost.json["code"]) == (412, "precondition_failed")
    assert send("GET", path).json["retention_days"] == 30
    same = send("PATCH", path, {"retention_days": 30}, If_Match=first.headers["ETag"])
    assert (same.status_code, same.json["version"]) == (200, 2)


def test_a_change_of_a_connector_raises_its_version_once(alice: Caller, send: Editor) -> None:
    path = f"/api/v2/connectors/{alice.new_connector()}"
    config = {**CONFIG, "password": "another"}
    for version, body in enumerate([{"name": "x"}, {"name": "y", "config": config}], start=2):
        assert send("PATCH", path, body).json["version"] == version
