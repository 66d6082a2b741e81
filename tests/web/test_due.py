import base64
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.web import due as due_page
from tests.web.conftest import Caller

PATH = "/api/v2/connectors/due"
TWO = "2026-12-01T02:00:00Z"


def new_nightly(caller: Caller, name: str, **values: object) -> dict:
    return caller.new_schedule(name=name, timezone="UTC", **values)


def walk(caller: Caller, **query: object) -> list[dict]:
    """Return the pages of an answer, following the cursor alone."""
    pages = [caller.get(PATH, query_string=query).json]
    while (cursor := pages[-1]["next_cursor"]) is not None:
        query = {**query, "cursor": cursor}
        pages.append(caller.get(PATH, query_string=query).json)
    return pages


def test_a_due_connector_is_shown_with_its_period_and_start(alice: Caller) -> None:
    schedule = new_nightly(alice, "nightly")
    connector = alice.get(f"/api/v2/connectors/{schedule['connector_id']}").json

    answer = alice.get(PATH, query_string={"at": "2026-12-01T03:00:59+01:00"})

    assert answer.status_code == 200
    assert answer.json == {
        "at": TWO,
        "items": [
            {
                "connector_id": connector["id"],
                "connector_name": connector["name"],
                "connector_type": "database",
                "schedule_id": schedule["id"],
                "period_at": TWO,
                "starts_at": TWO,
            }
        ],
        "next_cursor": None,
    }
    beside = alice.get(PATH, query_string={"at": "2026-12-01T02:01:00Z"}).json
    assert beside == {"at": "2026-12-01T02:01:00Z", "items": [], "next_cursor": None}


def test_spread_is_in_the_start(alice: Caller) -> None:
    new_nightly(alice, "spread", spread_seconds=86_400)
    [shown] = alice.get(PATH, query_string={"at": TWO}).json["items"]
    assert shown["period_at"] == TWO
    assert datetime.fromisoformat(shown["starts_at"]) > datetime.fromisoformat(TWO)


def test_without_an_instant_the_answer_is_about_now(alice: Caller, queue_client: object) -> None:
    alice.new_schedule(frequency="custom", preferred_time=None, cron_expression="* * * * *")
    before = datetime.now(UTC).replace(second=0, microsecond=0)
    answer = alice.get(PATH).json
    assert before <= datetime.fromisoformat(answer["at"]) <= datetime.now(UTC)
    assert [one["period_at"] for one in answer["items"]] == [answer["at"]]


def test_pages_hold_every_connector_once(alice: Caller) -> None:
    schedules = [new_nightly(alice, f"nightly {number}") for number in range(5)]
    new_nightly(alice, "later", preferred_time="03:00")

    pages = walk(alice, at=TWO, limit=2)

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    shown = [one["schedule_id"] for page in pages for one in page["items"]]
    assert shown == [one["id"] for one in schedules]


def test_all_pages_of_an_answer_about_now_are_about_the_same_minute(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        new_nightly(alice, f"nightly {number}")
    clock = iter(datetime.fromisoformat(TWO) + timedelta(minutes=late) for late in range(9))
    monkeypatch.setattr(due_page, "as_of", lambda *_: next(clock))

    pages = walk(alice, limit=1)

    assert [page["at"] for page in pages] == [TWO] * 3
    assert len({page["items"][0]["schedule_id"] for page in pages}) == 3


def test_a_viewer_may_ask_and_a_stranger_may_not(bob: Caller, stranger: Caller) -> None:
    assert bob.get(PATH).status_code == 200
    assert stranger.get(PATH).status_code == 401


def test_another_workspace_sees_nothing_of_it(alice: Caller, mallory: Caller) -> None:
    for number in range(2):
        new_nightly(alice, f"nightly {number}")
    page = alice.get(PATH, query_string={"at": TWO, "limit": 1}).json
    assert mallory.get(PATH, query_string={"at": TWO}).json["items"] == []
    stolen = mallory.get(PATH, query_string={"cursor": page["next_cursor"]})
    assert (stolen.status_code, stolen.json["errors"][0]["code"]) == (422, "cursor_form")


def test_the_path_is_not_taken_for_a_connector(alice: Caller) -> None:
    connector = alice.new_connector()
    assert "items" in alice.get(PATH).json
    assert alice.get(f"/api/v2/connectors/{connector}").json["id"] == connector
    assert alice.get(f"/api/v2/connectors/{uuid4()}").status_code == 404
    assert alice.post(PATH).status_code == 405


@pytest.mark.parametrize("text", ["", "now", "2026-12-01T02:00", "2026-12-01T02:00 01:00"])
def test_what_is_no_instant_is_refused_by_field_and_rule(alice: Caller, text: str) -> None:
    answer = alice.get(PATH, query_string={"at": text})
    assert answer.status_code == 422
    [error] = answer.json["errors"]
    assert (error["pointer"], error["code"]) == ("/at", "instant_form")
    assert error["hint"]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "ü",
        "AAAA",
        base64.urlsafe_b64encode(bytes(8)).decode(),
        base64.urlsafe_b64encode(b"\x7f" * 16).decode(),
        base64.urlsafe_b64encode(b"\x80" + bytes(15)).decode(),
    ],
)
def test_what_is_no_cursor_is_refused(alice: Caller, cursor: str) -> None:
    answer = alice.get(PATH, query_string={"cursor": cursor})
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json["errors"]] == ["cursor_form"]


def test_a_cursor_of_another_instant_is_refused(alice: Caller) -> None:
    for number in range(2):
        new_nightly(alice, f"nightly {number}")
    cursor = alice.get(PATH, query_string={"at": TWO, "limit": 1}).json["next_cursor"]
    query = {"at": "2026-12-01T02:01Z", "cursor": cursor}
    assert alice.get(PATH, query_string=query).status_code == 422


@pytest.mark.parametrize("limit", ["0", "201", "all"])
def test_a_limit_that_is_none_is_refused(alice: Caller, limit: str) -> None:
    answer = alice.get(PATH, query_string={"limit": limit})
    assert [error["code"] for error in answer.json["errors"]] == ["limit_range"]
