"""The audit log over the API: for admins, by filters, in pages, and as an export."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from shared.domain.audit_chain import BrokenExportError, follow_export
from shared.logs import fields_of
from shared.store.audit import MOST_REFUSED
from shared.web import audit_refusals
from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")
NOT_THERE = "f81d4fae-7dec-41d0-8765-00a0c91e6bf6"
LOG = "/api/v2/audit-log"


def items(caller: Caller, query: str = "") -> list[dict]:
    answer = caller.get(f"{LOG}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json["items"]


def test_an_entry_says_who_changed_what_from_where_and_how(alice: Caller) -> None:
    schedule = alice.new_schedule()
    answer = alice.client.patch(
        f"/api/v2/sync-schedules/{schedule['id']}",
        json={"preferred_time": "04:30"},
        headers={
            "Authorization": f"Bearer {alice.key}",
            "X-Forwarded-For": "203.0.113.9, 192.0.2.7",
            "X-Request-Id": "mine-1",
        },
    )
    assert answer.status_code == 200

    [entry] = items(alice, "action=change_schedule")

    [key] = items(alice, "action=create_api_key&limit=1")
    assert entry["actor"] == {
        "kind": "api_key",
        "id": key["object"]["id"],
        "name": "alice",
        "address": "192.0.2.7",
        "request_id": "mine-1",
    }
    assert entry["object"] == {"kind": "schedule", "id": schedule["id"], "name": "nightly"}
    assert (entry["before"], entry["after"]) == (
        {"preferred_time": "02:00"},
        {"preferred_time": "04:30"},
    )
    assert (entry["outcome"], entry["code"]) == ("done", None)
    assert len(entry["hash"]) == 64


def test_entries_are_told_newest_first_in_pages_without_gap_or_repeat(alice: Caller) -> None:
    for number in range(5):
        alice.new_connector(f"c{number}")
    first = alice.get(f"{LOG}?action=create_connector&limit=2")
    assert 'rel="next"' in first.headers["Link"]
    found, page = list(first.json["items"]), first.json
    while page["next_cursor"]:
        page = alice.get(f"{LOG}?action=create_connector&limit=2&cursor={page['next_cursor']}").json
        found += page["items"]
    assert [one["object"]["name"] for one in found] == ["c4", "c3", "c2", "c1", "c0"]


def test_entries_are_found_by_object_actor_outcome_and_time(alice: Caller, bob: Caller) -> None:
    connector = alice.new_connector()
    bob.delete(f"/api/v2/connectors/{connector}")

    of_it = items(alice, f"object_id={connector}")

    assert [(one["actor"]["name"], one["outcome"]) for one in of_it] == [
        ("bob", "refused"),
        ("alice", "done"),
    ]
    assert items(alice, "outcome=refused") == of_it[:1]
    assert items(alice, f"actor_id={of_it[0]['actor']['id']}") == of_it[:1]
    assert items(alice, "object_kind=connector") == of_it
    assert items(alice, f"object_id={uuid4()}") == []
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert items(alice, f"since={later}") == []
    assert items(alice, f"object_kind=connector&until={later}") == of_it


def test_the_log_is_for_admins_of_the_workspace(
    alice: Caller, bob: Caller, mallory: Caller
) -> None:
    connector = alice.new_connector()
    for path in (LOG, f"{LOG}/export"):
        assert bob.get(path).status_code == 403
        assert connector not in mallory.get(path).text
    assert items(mallory, f"object_id={connector}") == []


@pytest.mark.parametrize(
    "query", ["since=yesterday", "cursor=x", "action=A", "outcome=maybe", "x=1"]
)
def test_what_cannot_be_asked_is_refused(alice: Caller, query: str) -> None:
    assert alice.get(f"{LOG}?{query}").status_code == 422


def test_an_export_has_every_entry_of_a_filter_and_a_last_line(alice: Caller) -> None:
    for number in range(3):
        alice.new_connector(f"c{number}")
    answer = alice.get(f"{LOG}/export?object_kind=connector")
    assert answer.mimetype == "application/jsonl"
    *entries, last = map(json.loads, answer.text.splitlines())
    listed = items(alice, "object_kind=connector")
    assert [{name: one[name] for name in listed[0]} for one in entries] == listed
    assert set(entries[0]) - set(listed[0]) == {"previous_hash", "hashed"}
    assert last == {"complete": True, "entries": 3}


def _exported(caller: Caller, query: str = "") -> list[str]:
    for name in ("før", 'with "quotes" \\ and \u2028', "\U0001f41f"):
        caller.new_connector(name)
    caller.new_schedule()
    caller.delete(f"/api/v2/connectors/{NOT_THERE}")
    answer = caller.get(f"{LOG}/export?{query}")
    assert answer.status_code == 200
    return answer.text.splitlines()


def test_an_export_is_verified_without_the_database(alice: Caller) -> None:
    whole = follow_export(_exported(alice))
    assert whole is not None
    newest = items(alice, "limit=1")[0]
    assert (whole.end.number, whole.end.hash.hex()) == (newest["number"], newest["hash"])
    assert (whole.entries, whole.before.number) == (newest["number"], 0)

    since = items(alice)[3]
    said = alice.get(f"{LOG}/export?since={since['at']}").text.splitlines()
    later = follow_export(said, noted=since["number"])
    assert later is not None
    assert later.before.number == since["number"] - 1
    assert later.noted == bytes.fromhex(since["hash"])


FORGERIES: list[tuple[Callable[[list[str]], object], str]] = [
    (lambda said: said.__setitem__(1, said[1].replace("alice", "mallory")), "line 2 was changed"),
    (lambda said: said.__setitem__(2, said[2].replace("create_", "delete_", 1)), "line 3 was"),
    (lambda said: said.pop(1), "counts other entries"),
    (lambda said: said.insert(1, said.pop(2)), "was moved"),
    (lambda said: said.pop(), "cut off"),
]


@pytest.mark.parametrize(("forge", "sentence"), FORGERIES)
def test_an_export_that_was_forged_is_none(
    alice: Caller, forge: Callable[[list[str]], object], sentence: str
) -> None:
    said = _exported(alice)
    forge(said)
    with pytest.raises(BrokenExportError, match=sentence):
        follow_export(said)


def test_an_export_by_a_filter_has_gaps_and_says_so(alice: Caller) -> None:
    said = _exported(alice, "object_kind=connector")
    with pytest.raises(BrokenExportError, match="a filter left it out"):
        follow_export(said)


REFUSED = [
    ("post", "connectors", {"type": "none", "name": "x", "config": {}}, 422, "invalid_input"),
    ("patch", f"connectors/{NOT_THERE}", {"name": "x"}, 404, "not_found"),
    ("patch", f"connectors/{NOT_THERE}", {"unknown": 1}, 422, "invalid_input"),
    ("post", f"runs/{NOT_THERE}/cancel", {}, 404, "not_found"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
def test_a_refused_change_is_in_the_log(
    alice: Caller, method: str, path: str, body: dict, status: int, code: str
) -> None:
    assert getattr(alice, method)(f"/api/v2/{path}", body).status_code == status
    [entry] = items(alice, "outcome=refused")
    assert entry["code"] == code
    assert (entry["before"], entry["after"]) == (None, None)
    named = path.split("/")[1] if "/" in path else None
    assert entry["object"]["id"] == named


def test_a_lost_update_and_a_body_that_is_no_json_are_in_the_log(alice: Caller) -> None:
    connector = alice.new_connector()
    path, key = f"/api/v2/connectors/{connector}", {"Authorization": f"Bearer {alice.key}"}
    lost = alice.client.patch(path, json={"name": "x"}, headers={**key, "If-Match": '"9.x"'})
    broken = alice.client.patch(
        path, data=b"{", headers={**key, "Content-Type": "application/json"}
    )
    assert (lost.status_code, broken.status_code) == (412, 400)
    codes = [one["code"] for one in items(alice, "outcome=refused")]
    assert codes == ["bad_request", "precondition_failed"]


def test_reading_and_being_refused_to_read_leave_no_entry(alice: Caller, bob: Caller) -> None:
    before = items(alice)
    assert bob.get(LOG).status_code == 403
    assert alice.get(f"/api/v2/connectors/{uuid4()}").status_code == 404
    assert items(alice) == before


def test_who_is_unknown_leaves_a_line_in_the_log_and_no_entry(
    alice: Caller, stranger: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    before = items(alice)
    with caplog.at_level(logging.WARNING):
        assert stranger.post("/api/v2/connectors", {}).status_code == 401
    [said] = [fields_of(one) for one in caplog.records if "event" in fields_of(one)]
    assert (said["event"], said["operation"]) == ("change_by_nobody", "create_connector")
    assert items(alice) == before


def test_trouble_with_the_entry_of_a_refusal_changes_no_answer(
    alice: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("INSERT", None, Exception("canary"))

    monkeypatch.setattr(audit_refusals, "append_audit", fail)
    with caplog.at_level(logging.ERROR):
        answer = alice.delete(f"/api/v2/connectors/{uuid4()}")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    [said] = [fields_of(one) for one in caplog.records if "event" in fields_of(one)]
    assert said["event"] == "refusal_not_audited"
    assert "canary" not in str(said)


def test_refusals_in_a_loop_fill_no_disk_and_hide_nobody_elses(
    alice: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_REFUSED <= 100
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED", 3)
    for _ in range(5):
        bob.delete(f"/api/v2/connectors/{uuid4()}")
    alice.delete(f"/api/v2/connectors/{uuid4()}")
    told = [one["actor"]["name"] for one in items(alice, "outcome=refused")]
    assert told == ["alice", "bob", "bob", "bob"]


def test_a_change_without_its_entry_does_not_happen(
    app: Flask, alice: Caller, engine: Engine
) -> None:
    connector = alice.new_connector("before")
    before = items(alice)
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE audit_log ADD CHECK (action <> 'change_connector') NOT VALID")
        )
    app.testing = False
    answer = alice.patch(f"/api/v2/connectors/{connector}", {"name": "after"})
    assert answer.status_code == 500
    assert alice.get(f"/api/v2/connectors/{connector}").json["name"] == "before"
    assert items(alice) == before


def test_a_repeat_is_no_second_change_and_no_change_is_no_entry(alice: Caller) -> None:
    key = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": str(uuid4())}
    body = {"name": "days", "dated": {"first": "2030-01-01", "last": "2030-01-02"}}
    for _ in range(2):
        made = alice.client.post("/api/v2/workspace/blackout-windows", json=body, headers=key)
        assert made.status_code == 201
    assert len(items(alice, "object_kind=blackout_window")) == 1
    connector = alice.new_connector("same")
    for action in ("", "/enable"):
        path = f"/api/v2/connectors/{connector}{action}"
        answer = alice.post(path) if action else alice.patch(path, {"name": "same"})
        assert answer.status_code == 200
    assert [one["action"] for one in items(alice, f"object_id={connector}")] == ["create_connector"]


def test_each_schedule_of_a_bulk_has_its_entry_done_or_refused(alice: Caller) -> None:
    schedules = [alice.new_schedule(name=f"s{number}")["id"] for number in range(3)]
    unknown = str(uuid4())
    body = {"action": "pause", "ids": [*schedules, unknown]}
    assert alice.post("/api/v2/sync-schedules/bulk", {**body, "dry_run": True}).status_code == 200
    assert items(alice, "action=pause_schedule") == []
    assert alice.post("/api/v2/sync-schedules/bulk", body).status_code == 200
    found = items(alice, "action=pause_schedule")
    assert {one["object"]["id"]: one["code"] for one in found} == {
        **dict.fromkeys(schedules),
        unknown: "not_found",
    }
