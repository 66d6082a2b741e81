from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event, text

from shared.domain.presets import WEEKDAYS
from shared.domain.spread import spread_offset
from shared.wiring import Wiring
from tests.web.conftest import Caller

SCHEDULES = "/api/v2/sync-schedules"
PREVIEW = f"{SCHEDULES}/preview"
MONTH = 1 if 4 <= datetime.now(UTC).month <= 9 else 7
YEARLY = {"frequency": "custom", "preferred_time": None, "cron_expression": f"0 2 1 {MONTH} *"}
"""So far off that no period falls due during a test, nor on the day of a test."""
HOURLY = {"frequency": "custom", "cron_expression": "30 * * * *"}


def next_period() -> datetime:
    """Return when a schedule of `YEARLY` is due next."""
    now = datetime.now(ZoneInfo("Europe/Oslo"))
    this_year = now.replace(month=MONTH, day=1, hour=2, minute=0, second=0, microsecond=0)
    return this_year if this_year > now else this_year.replace(year=now.year + 1)


def read(caller: Caller, schedule: dict) -> dict:
    return caller.get(f"{SCHEDULES}/{schedule['id']}").json


def preview(caller: Caller, schedule: dict, query: str = "") -> dict:
    answer = caller.get(f"{SCHEDULES}/{schedule['id']}/preview{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def wanted(caller: Caller, **values: object) -> dict:
    answer = caller.post(PREVIEW, {"timezone": "Europe/Oslo", **HOURLY, **values})
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_schedule_shows_its_next_run_in_words(alice: Caller, bob: Caller) -> None:
    created = alice.new_schedule(**YEARLY)
    at = next_period()
    shown = read(bob, created)
    assert shown["outlook"] == {
        "kind": "planned",
        "at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "text": f"Next run on {at:%A} 1 {at:%B} {at.year} at 02:00 (Europe/Oslo).",
    }
    assert shown["recurrence_description"].endswith("(Europe/Oslo)")
    assert (shown["is_paused"], shown["paused_until"], shown["pause_note"]) == (False, None, None)
    assert shown["blackout_policy"] == "skip"
    assert created["outlook"] == shown["outlook"]
    assert alice.get(SCHEDULES).json["items"] == [shown]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"frequency": "manual", "preferred_time": None}, "manual"),
        ({"frequency": "realtime", "preferred_time": None}, "realtime"),
    ],
)
def test_a_schedule_without_a_recurrence_is_not_described(
    alice: Caller, values: dict, kind: str
) -> None:
    created = alice.new_schedule(**values)
    assert created["recurrence_description"] is None
    assert (created["outlook"]["kind"], created["outlook"]["at"]) == (kind, None)
    previewed = preview(alice, created)
    assert (previewed["description"], previewed["items"]) == (created["outlook"]["text"], [])


def test_a_pause_without_an_end_has_no_instant(alice: Caller) -> None:
    created = alice.new_schedule(**YEARLY)
    paused = alice.post(f"{SCHEDULES}/{created['id']}/pause", {"note": "books are closed"}).json
    assert (paused["is_paused"], paused["paused_until"]) == (True, None)
    assert paused["pause_note"] == "books are closed"
    assert paused["outlook"] == {
        "kind": "halted",
        "at": None,
        "text": "Halted until somebody resumes it: books are closed.",
    }
    assert {item["reason"] for item in preview(alice, created)["items"]} == {"paused"}


def test_a_pause_with_an_end_names_it_and_the_next_run(alice: Caller) -> None:
    created = alice.new_schedule(**YEARLY)
    until = next_period() + timedelta(minutes=1)
    paused = alice.post(f"{SCHEDULES}/{created['id']}/pause", {"until": until.isoformat()}).json
    assert (paused["is_paused"], paused["pause_note"]) == (True, None)
    assert datetime.fromisoformat(paused["paused_until"]) == until
    assert paused["outlook"]["at"] == paused["paused_until"]
    assert f"Next run on {until.replace(year=until.year + 1):%A 1 %B}" in paused["outlook"]["text"]


def test_a_pause_that_is_over_is_not_shown(alice: Caller, engine: Engine) -> None:
    created = alice.new_schedule(**YEARLY)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE sync_schedule SET paused_until = '2020-01-01Z', pause_note = 'long ago'")
        )
    shown = read(alice, created)
    assert (shown["is_paused"], shown["paused_until"], shown["pause_note"]) == (False, None, None)


def test_a_run_under_way_is_what_a_schedule_shows(alice: Caller, queue_client: object) -> None:
    created = alice.new_schedule(**YEARLY)
    run = alice.post(f"{SCHEDULES}/{created['id']}/trigger").json
    shown = read(alice, created)["outlook"]
    assert (shown["kind"], shown["at"]) == ("queued", run["not_before_at"])
    assert shown["text"].endswith("(Europe/Oslo) and about to start.")


def test_what_a_schedule_shows_heeds_the_blackout_windows(alice: Caller) -> None:
    created = alice.new_schedule(**YEARLY, blackout_policy="move")
    at = next_period()
    day = at.date().isoformat()
    body = {"name": "Half-year", "dated": {"first": day, "last": day}}
    assert alice.post("/api/v2/workspace/blackout-windows", body).status_code == 201
    moved = at.replace(day=2, hour=0)
    assert read(alice, created)["outlook"]["text"] == (
        f"Next run on {moved:%A} 2 {moved:%B} {moved.year} at 00:00 (Europe/Oslo),"
        f' moved from 02:00 on {at:%A} 1 {at:%B} {at.year} by the blackout window "Half-year".'
    )
    [item] = preview(alice, created, "?count=1")["items"]
    assert item["period_local"] == at.isoformat()
    assert item["starts_local"] == moved.isoformat()


def test_a_schedule_that_cannot_be_read_is_shown_and_not_previewed(
    alice: Caller, engine: Engine
) -> None:
    created = alice.new_schedule(**YEARLY)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sync_schedule SET cron_expression = '0 2 31 2 *'"))
    shown = read(alice, created)
    assert shown["recurrence_description"] is None
    assert shown["outlook"]["kind"] == "set_aside"
    refused = alice.get(f"{SCHEDULES}/{created['id']}/preview")
    assert (refused.status_code, refused.json["code"]) == (422, "cron_never_fires")


def test_a_page_of_schedules_takes_as_many_statements_as_one(alice: Caller, wiring: Wiring) -> None:
    counts = []
    for number in range(3):
        alice.new_schedule(name=f"n{number}", **YEARLY)
        with counted(wiring.engine) as statements:
            assert len(alice.get(SCHEDULES).json["items"]) == number + 1
        counts.append(len(statements))
    assert counts[0] == counts[2] > 0


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that an engine executes."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_preview_of_a_schedule_tells_its_coming_periods(alice: Caller, bob: Caller) -> None:
    created = alice.new_schedule(**YEARLY, spread_seconds=3600)
    at = next_period()
    start = at + spread_offset(UUID(created["connector_id"]), timedelta(hours=1))
    previewed = preview(bob, created, "?count=3")
    assert previewed["description"] == created["recurrence_description"]
    assert previewed["timezone"] == "Europe/Oslo"
    assert [item["period_local"][:16] for item in previewed["items"]] == [
        f"{at.replace(year=at.year + years):%Y-%m-%dT%H:%M}" for years in range(3)
    ]
    assert previewed["items"][0] == {
        "period_at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "period_local": at.isoformat(),
        "starts_at": start.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "starts_local": start.isoformat(),
        "fate": "run",
        "reason": None,
        "notes": [],
    }
    assert len(preview(bob, created)["items"]) == 10


@pytest.mark.parametrize("count", ["0", "101", "-1", "x", "²", "1.5", ""])
def test_a_count_beyond_1_to_100_is_refused(alice: Caller, count: str) -> None:
    created = alice.new_schedule(**YEARLY)
    answer = alice.get(f"{SCHEDULES}/{created['id']}/preview?count={count}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == "count_range"


def test_a_schedule_that_is_not_saved_is_previewed(bob: Caller) -> None:
    previewed = wanted(bob, count=3)
    assert previewed["description"] == "At 30 minutes past the hour (Europe/Oslo)"
    periods = [datetime.fromisoformat(item["period_at"]) for item in previewed["items"]]
    assert [later - periods[0] for later in periods] == [timedelta(hours=n) for n in range(3)]
    assert datetime.now(UTC) < periods[0] <= datetime.now(UTC) + timedelta(hours=1)
    assert {item["fate"] for item in previewed["items"]} == {"run"}
    assert len(wanted(bob)["items"]) == 10


def test_without_a_zone_the_workspaces_own_is_taken(bob: Caller) -> None:
    assert wanted(bob, timezone=None)["timezone"] == "Europe/Oslo"
    assert wanted(bob, timezone="Asia/Kolkata")["items"][0]["period_local"].endswith("+05:30")


def test_the_spread_is_that_of_the_connector_that_is_named(alice: Caller) -> None:
    connector = alice.new_connector()
    offset = spread_offset(UUID(connector), timedelta(hours=2))
    for named, expected in (({"connector_id": connector}, offset), ({}, timedelta(0))):
        [item] = wanted(alice, spread_seconds=7200, count=1, **named)["items"]
        start, period = map(datetime.fromisoformat, (item["starts_at"], item["period_at"]))
        assert start - period == expected


@pytest.mark.parametrize(
    ("policy", "reasons"), [("skip", {"blackout"}), ("move", {"coalesced", None})]
)
def test_a_preview_shows_what_blackout_windows_would_do(
    alice: Caller, policy: str, reasons: set[str | None]
) -> None:
    night = {"days": list(WEEKDAYS), "from": "00:00", "to": "23:00"}
    body = {"name": "Days", "weekly": night, "timezone": "UTC"}
    assert alice.post("/api/v2/workspace/blackout-windows", body).status_code == 201
    items = wanted(alice, blackout_policy=policy, count=24, timezone="UTC")["items"]
    free = [item for item in items if item["period_local"][11:13] == "23"]
    assert [item["fate"] for item in free] == ["run"]
    others = [item for item in items if item not in free]
    assert {item["reason"] for item in others} == reasons
    for item in others:
        assert (item["starts_at"] is None) == (item["fate"] == "skipped")


def test_a_period_that_the_clock_moves_has_a_note(bob: Caller) -> None:
    # The fifth Sunday of March is always the one on which Oslo's clock skips 02:30.
    [item] = wanted(bob, cron_expression="30 2 * 3 sun#5", count=1)["items"]
    [note] = item["notes"]
    assert note["kind"] == "moved"
    assert note["text"].startswith("02:30 does not exist on ")
    assert item["period_local"][11:] == "03:00:00+02:00"


@pytest.mark.parametrize("frequency", ["manual", "realtime"])
def test_what_has_no_recurrence_has_no_periods(bob: Caller, frequency: str) -> None:
    previewed = wanted(bob, frequency=frequency, cron_expression=None)
    assert previewed["items"] == []
    assert previewed["description"].startswith("Runs when ")


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"frequency": "yearly"}, "/frequency", "valid_frequency_enum"),
        ({"timezone": "Mars/Olympus"}, "/timezone", "valid_iana_timezone"),
        ({"frequency": "manual", "timezone": "X"}, "/timezone", "valid_iana_timezone"),
        ({"cron_expression": "99 * * * *"}, "/cron_expression", "cron_field_range"),
        ({"cron_expression": "0 0 31 2 *"}, "/cron_expression", "cron_never_fires"),
        ({"frequency": "manual"}, "/cron_expression", "cron_unused"),
        (
            {"frequency": "weekly", "preferred_time": "02:00", "cron_expression": None},
            "/preferred_day_of_week",
            "weekly_requires_day_of_week",
        ),
        ({"count": 0}, "/count", "greater_than_equal"),
        ({"count": 101}, "/count", "less_than_equal"),
        ({"name": "x"}, "/name", "extra_forbidden"),
    ],
)
def test_what_saving_refuses_is_refused_by_field_and_rule(
    bob: Caller, values: dict, pointer: str, code: str
) -> None:
    answer = bob.post(PREVIEW, {**HOURLY, **values})
    assert answer.status_code == 422
    [error] = answer.json["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)


def test_runs_closer_than_the_workspace_allows_are_refused(bob: Caller, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET minimum_interval_seconds = 7200"))
    answer = bob.post(PREVIEW, HOURLY)
    assert (answer.status_code, answer.json["code"]) == (422, "cron_too_frequent")


def test_a_preview_is_only_for_the_workspace_itself(
    alice: Caller, mallory: Caller, stranger: Caller
) -> None:
    created = alice.new_schedule(**YEARLY)
    saved = f"{SCHEDULES}/{created['id']}/preview"
    assert mallory.get(saved).status_code == 404
    assert alice.get(f"{SCHEDULES}/{uuid4()}/preview").status_code == 404
    body = {**HOURLY, "connector_id": created["connector_id"]}
    refused = mallory.post(PREVIEW, body)
    assert (refused.status_code, refused.json["code"]) == (404, "foreign_key_integrity")
    assert alice.post(PREVIEW, body).status_code == 200
    assert stranger.get(saved).status_code == 401
    assert stranger.post(PREVIEW, HOURLY).status_code == 401


def test_a_preview_writes_nothing(alice: Caller, engine: Engine) -> None:
    body = {**HOURLY, "connector_id": alice.new_connector()}
    assert alice.post(PREVIEW, body).status_code == 200
    assert alice.get(SCHEDULES).json["items"] == []
