from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from shared.domain.presets import WEEKDAYS
from tests.web.conftest import Caller

PATH = "/api/v2/workspace/blackout-windows"
NIGHTS = {"days": ["friday", "monday"], "from": "22:00", "to": "06:00"}
CHRISTMAS = {"first": "2026-12-24", "last": "2026-12-26"}
LONG_GONE = {"first": "2020-01-01", "last": "2020-01-02"}


def create(caller: Caller, **values: object) -> dict:
    answer = caller.post(PATH, {"name": "closed", **values})
    assert answer.status_code == 201, answer.text
    return answer.json


def delete(caller: Caller, window: object) -> TestResponse:
    return caller.client.delete(
        f"{PATH}/{window}", headers={"Authorization": f"Bearer {caller.key}"}
    )


def test_weekly_hours_are_created_read_listed_and_deleted(alice: Caller) -> None:
    answer = alice.post(PATH, {"name": "  nights ", "weekly": NIGHTS})
    assert answer.status_code == 201
    window = answer.json
    assert window["name"] == "nights"
    assert window["timezone"] == "Europe/Oslo"
    assert window["weekly"] == {"days": ["monday", "friday"], "from": "22:00", "to": "06:00"}
    assert window["dated"] is None
    assert answer.headers["Location"] == f"{PATH}/{window['id']}"
    assert alice.get(answer.headers["Location"]).json["id"] == window["id"]
    listed = alice.get(PATH).json
    assert [one["id"] for one in listed["items"]] == [window["id"]]
    assert listed["next_cursor"] is None

    deleted = delete(alice, window["id"])

    assert (deleted.status_code, deleted.data) == (204, b"")
    assert alice.get(PATH).json["items"] == []
    assert alice.get(answer.headers["Location"]).status_code == 404
    assert delete(alice, window["id"]).status_code == 404


def test_dated_days_are_shown_as_they_were_sent(alice: Caller) -> None:
    window = create(alice, dated=CHRISTMAS, timezone="Asia/Tokyo")
    assert (window["dated"], window["weekly"]) == (CHRISTMAS, None)
    assert window["timezone"] == "Asia/Tokyo"


def test_windows_are_listed_oldest_first(alice: Caller) -> None:
    names = [f"w{number}" for number in (3, 1, 2)]
    for name in names:
        create(alice, name=name, dated=CHRISTMAS)
    assert [one["name"] for one in alice.get(PATH).json["items"]] == names


def test_a_window_says_until_when_it_holds_if_it_does_now(alice: Caller) -> None:
    # Far from UTC a local day may be yesterday's or tomorrow's, so that these are days around.
    today = datetime.now(UTC).date()
    around = {
        "first": (today - timedelta(days=2)).isoformat(),
        "last": (today + timedelta(days=2)).isoformat(),
    }
    now = create(alice, name="now", dated=around, timezone="UTC")
    over = create(alice, name="over", dated=LONG_GONE)
    assert over["active_until"] is None
    assert (
        now["active_until"] == f"{date.fromisoformat(around['last']) + timedelta(days=1)}T00:00:00Z"
    )
    shown = {one["name"]: one["active_until"] for one in alice.get(PATH).json["items"]}
    assert shown == {"now": now["active_until"], "over": None}


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({}, "/weekly", "blackout_weekly_or_dated"),
        ({"weekly": NIGHTS, "dated": CHRISTMAS}, "/weekly", "blackout_weekly_or_dated"),
        ({"timezone": "Mars/Olympus", "dated": CHRISTMAS}, "/timezone", "valid_iana_timezone"),
        ({"weekly": {**NIGHTS, "days": []}}, "/weekly/days", "blackout_days_required"),
        ({"weekly": {**NIGHTS, "days": ["mon"]}}, "/weekly/days", "valid_day_of_week_enum"),
        ({"weekly": {**NIGHTS, "from": "24:00"}}, "/weekly/from", "blackout_time_format"),
        ({"weekly": {**NIGHTS, "to": "6:00"}}, "/weekly/to", "blackout_time_format"),
        ({"dated": {**CHRISTMAS, "first": "24.12.2026"}}, "/dated/first", "blackout_date_format"),
        ({"dated": {**CHRISTMAS, "last": "2026-12-23"}}, "/dated/last", "blackout_dates_order"),
        ({"dated": {**CHRISTMAS, "last": "2027-12-25"}}, "/dated/last", "blackout_dates_span"),
        (
            {"weekly": {"days": list(WEEKDAYS), "from": "00:00", "to": "24:00"}},
            "/weekly",
            "blackout_covers_everything",
        ),
    ],
)
def test_a_window_that_cannot_be_is_refused_by_field_and_rule(
    alice: Caller, values: dict, pointer: str, code: str
) -> None:
    answer = alice.post(PATH, {"name": "closed", **values})
    assert answer.status_code == 422
    [error] = answer.json["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert error["hint"]


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"name": "  ", "dated": CHRISTMAS}, "/name"),
        ({"name": "x" * 201, "dated": CHRISTMAS}, "/name"),
        ({"dated": {"first": "2026-12-24"}}, "/dated/last"),
        ({"dated": {**CHRISTMAS, "first": 20261224}}, "/dated/first"),
        ({"weekly": {"days": ["monday"], "starts": "22:00", "to": "06:00"}}, "/weekly/from"),
        ({"weekly": {**NIGHTS, "days": ["monday"] * 8}}, "/weekly/days"),
        ({"weekly": {**NIGHTS, "days": "monday"}}, "/weekly/days"),
        ({"weekly": [], "dated": CHRISTMAS}, "/weekly"),
        ({"dated": CHRISTMAS, "surprise": 1}, "/surprise"),
    ],
)
def test_a_body_of_another_shape_is_told_by_field(
    alice: Caller, values: dict, pointer: str
) -> None:
    answer = alice.post(PATH, {"name": "closed", **values})
    assert answer.status_code == 422
    assert pointer in [one["pointer"] for one in answer.json["errors"]]


def test_a_name_is_used_once_in_a_workspace(alice: Caller, mallory: Caller) -> None:
    create(alice, dated=CHRISTMAS)
    again = alice.post(PATH, {"name": "CLOSED", "dated": LONG_GONE})
    assert (again.status_code, again.json["code"]) == (409, "name_taken")
    create(mallory, dated=CHRISTMAS)


def test_the_fifty_first_window_is_refused(alice: Caller) -> None:
    for number in range(50):
        create(alice, name=f"w{number}", dated=LONG_GONE)
    answer = alice.post(PATH, {"name": "one more", "dated": LONG_GONE})
    assert (answer.status_code, answer.json["code"]) == (409, "too_many_blackout_windows")
    assert len(alice.get(PATH).json["items"]) == 50


def test_a_viewer_reads_windows_and_changes_none(alice: Caller, bob: Caller) -> None:
    window = create(alice, dated=CHRISTMAS)
    assert bob.get(f"{PATH}/{window['id']}").json["id"] == window["id"]
    assert len(bob.get(PATH).json["items"]) == 1
    assert bob.post(PATH, {"name": "x", "dated": CHRISTMAS}).status_code == 403
    assert delete(bob, window["id"]).status_code == 403
    assert len(bob.get(PATH).json["items"]) == 1


def test_the_windows_of_another_workspace_are_not_there(alice: Caller, mallory: Caller) -> None:
    window = create(alice, dated=CHRISTMAS)
    assert mallory.get(PATH).json["items"] == []
    assert mallory.get(f"{PATH}/{window['id']}").status_code == 404
    assert delete(mallory, window["id"]).status_code == 404
    assert len(alice.get(PATH).json["items"]) == 1


def test_without_a_key_nothing_is_answered(stranger: Caller) -> None:
    assert stranger.get(PATH).status_code == 401
    assert stranger.post(PATH, {"name": "x", "dated": CHRISTMAS}).status_code == 401
    assert delete(stranger, uuid4()).status_code == 401


def test_a_window_that_is_not_there_is_404(alice: Caller) -> None:
    for window in (uuid4(), "not-an-id"):
        assert alice.get(f"{PATH}/{window}").status_code == 404
        assert delete(alice, window).status_code == 404
