import logging
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from shared.domain.blackout import BlackoutWindow, WeeklyHours
from shared.domain.due import DueConnector
from shared.domain.presets import WEEKDAYS
from shared.domain.spread import spread_offset
from shared.flow import due
from shared.flow.due import connectors_due_at
from shared.flow.plan import plan_due
from shared.logs import fields_of
from shared.store.blackouts import insert_window
from shared.store.engine import create_engine_for, read_only
from shared.store.rows import Row
from shared.store.violations import violation_of
from tests.factories import Tenant, at, make_schedule, make_tenant, runs_of

TWO = at("02:00")
NIGHTLY = {"cron_expression": "0 2 * * *"}


def change(engine: Engine, table: str, row_id: int, assignment: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {assignment} WHERE id = :id"), {"id": row_id})


def schedules(engine: Engine, instant: datetime = TWO, **options: object) -> list[object]:
    """Return the public ids of the schedules that are due, in the order of the answer."""
    return [one.schedule_id for one in connectors_due_at(engine, instant, **options)]


def test_a_connector_is_due_at_its_minute_and_says_whose_it_is(
    engine: Engine, tenant: Tenant
) -> None:
    spread = timedelta(hours=1)
    made = make_schedule(engine, tenant, spread_seconds=3_600, **NIGHTLY)

    [found] = connectors_due_at(engine, at("02:00:59"))

    with engine.connect() as connection:
        query = text("SELECT slug, public_id FROM workspace WHERE id = :id")
        slug, public_id = connection.execute(query, {"id": tenant.workspace_id}).one()
    assert found == DueConnector(
        key=made["id"],
        workspace_slug=slug,
        workspace_public_id=public_id,
        connector_id=made["connector_public_id"],
        connector_name=made["connector_name"],
        connector_type="database",
        schedule_id=made["public_id"],
        period_at=TWO,
        starts_at=TWO + spread_offset(made["connector_public_id"], spread),
    )
    assert schedules(engine, at("01:59:59")) == schedules(engine, at("02:01")) == []


def test_many_workspaces_with_overlapping_schedules_are_all_answered(engine: Engine) -> None:
    tenants = [make_tenant(engine) for _ in range(3)]
    nightly = [make_schedule(engine, tenant, **NIGHTLY) for tenant in tenants]
    hourly = [make_schedule(engine, one, cron_expression="0 * * * *") for one in tenants]
    oslo = make_schedule(engine, tenants[0], cron_expression="0 3 * * *", timezone="Europe/Oslo")
    make_schedule(engine, tenants[0], cron_expression="0 3 * * *")

    assert schedules(engine) == [row["public_id"] for row in (*nightly, *hourly, oslo)]
    assert schedules(engine, at("05:00")) == [row["public_id"] for row in hourly]
    assert schedules(engine, workspace_id=tenants[1].workspace_id) == [
        nightly[1]["public_id"],
        hourly[1]["public_id"],
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"is_enabled": False, **NIGHTLY},
        {"frequency": "manual", "cron_expression": None},
        {"frequency": "realtime", "cron_expression": None},
        {"cron_expression": "0 2 31 * *"},
    ],
    ids=["disabled", "manual", "realtime", "another day"],
)
def test_a_schedule_without_such_a_period_is_not_due(
    engine: Engine, tenant: Tenant, values: dict
) -> None:
    make_schedule(engine, tenant, **values)
    assert schedules(engine) == []


@pytest.mark.parametrize(
    ("table", "assignment"),
    [
        ("sync_schedule", "plan_error = 'set aside', next_scheduled_at = NULL"),
        ("sync_schedule", "paused_until = '2026-03-02T02:01Z'"),
        ("workspace_connector", "deleted_at = now()"),
        ("workspace_connector", "status = 'disabled'"),
        ("workspace_connector", "status = 'pending_authorization'"),
        ("workspace_connector", "status = 'needs_reauthorization'"),
        ("workspace", "deleted_at = now()"),
    ],
)
def test_what_would_not_run_is_not_due(
    engine: Engine, tenant: Tenant, table: str, assignment: str
) -> None:
    made = make_schedule(engine, tenant, **NIGHTLY)
    assert schedules(engine) == [made["public_id"]]
    keys = {
        "sync_schedule": made["id"],
        "workspace_connector": made["connector_id"],
        "workspace": tenant.workspace_id,
    }

    change(engine, table, keys[table], assignment)

    assert schedules(engine) == []


def test_a_pause_that_is_over_by_then_does_not_count(engine: Engine, tenant: Tenant) -> None:
    made = make_schedule(engine, tenant, **NIGHTLY)
    change(engine, "sync_schedule", made["id"], "paused_until = '2026-03-02T02:00Z'")
    assert schedules(engine) == [made["public_id"]]


@pytest.mark.parametrize(
    "broken",
    [
        "cron_expression = '99 * * * *'",
        "timezone = 'Mars/Olympus'",
        "frequency = 'daily', cron_expression = NULL, preferred_time = '02:00', timezone = ''",
    ],
)
def test_an_invalid_expression_in_the_table_warns_and_stops_nothing_else(
    engine: Engine, tenant: Tenant, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    rows = [make_schedule(engine, tenant, **NIGHTLY) for _ in range(3)]
    change(engine, "sync_schedule", rows[1]["id"], broken)

    with caplog.at_level(logging.WARNING):
        found = schedules(engine)

    assert found == [rows[0]["public_id"], rows[2]["public_id"]]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    fields = fields_of(record)
    assert (fields["event"], fields["schedule_id"]) == ("schedule_unreadable", rows[1]["public_id"])


def test_pages_leave_out_nothing_and_repeat_nothing(
    engine: Engine, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "_PAGE", 2)
    rows = [
        make_schedule(engine, tenant, cron_expression=f"0 {hour} * * *")
        for hour in (2, 3, 3, 3, 2, 2)
    ]
    expected = [rows[place]["public_id"] for place in (0, 4, 5)]

    assert schedules(engine) == expected
    assert schedules(engine, after_key=rows[0]["id"]) == expected[1:]
    assert schedules(engine, after_key=rows[5]["id"]) == []


def test_a_slow_reader_holds_no_connection(
    database_url: str, engine: Engine, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "_PAGE", 1)
    rows = [make_schedule(engine, tenant, **NIGHTLY) for _ in range(3)]
    narrow = create_engine_for(database_url, pool_size=1)
    seen = []
    for one in connectors_due_at(narrow, TWO):
        with narrow.connect() as connection:
            seen.append(connection.execute(text("SELECT CAST(:key AS bigint)"), {"key": one.key}))
    narrow.dispose()
    assert len(seen) == len(rows)


def test_the_answer_waits_for_no_lock_and_takes_none(engine: Engine, tenant: Tenant) -> None:
    made = make_schedule(engine, tenant, **NIGHTLY)
    with engine.begin() as other:
        other.execute(text("LOCK TABLE sync_schedule, workspace_connector IN EXCLUSIVE MODE"))
        assert schedules(engine) == [made["public_id"]]


def test_the_database_refuses_a_write_where_due_schedules_are_read(
    engine: Engine, tenant: Tenant
) -> None:
    with pytest.raises(DBAPIError) as refused, read_only(engine) as connection:
        connection.execute(text("UPDATE workspace SET name = 'changed'"))
    assert violation_of(refused.value).sqlstate == "25006"
    with engine.connect() as connection:
        assert "changed" not in connection.execute(text("SELECT name FROM workspace")).scalars()


def test_a_naive_instant_is_refused_before_anything_is_read(engine: Engine) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        connectors_due_at(engine, datetime.fromisoformat("2026-03-02T02:00"))


def test_periods_in_a_blackout_window_are_skipped_or_start_at_its_end(
    engine: Engine, tenant: Tenant
) -> None:
    make_schedule(engine, tenant, blackout_policy="skip", **NIGHTLY)
    moving = make_schedule(engine, tenant, blackout_policy="move", **NIGHTLY)
    elsewhere = make_schedule(engine, make_tenant(engine), **NIGHTLY)
    close(engine, tenant, "01:30", "04:00")

    found = list(connectors_due_at(engine, TWO))

    assert [(one.schedule_id, one.period_at, one.starts_at) for one in found] == [
        (moving["public_id"], TWO, at("04:00")),
        (elsewhere["public_id"], TWO, TWO),
    ]


def test_what_is_due_is_what_the_planner_plans_to_run(engine: Engine, tenant: Tenant) -> None:
    rows = [
        make_schedule(engine, tenant, from_instant=at("01:58"), **values)
        for values in (
            {},
            NIGHTLY,
            {"spread_seconds": 86_400, **NIGHTLY},
            {"missed_run_policy": "skip", **NIGHTLY},
            {"missed_run_policy": "run_all", "catch_up_window_seconds": 0},
            {"missed_run_policy": "run_all", "blackout_policy": "move", "spread_seconds": 600},
            {"cron_expression": "*/7 * * * *", "blackout_policy": "move"},
            {"frequency": "hourly", "cron_expression": None, "timezone": "Asia/Kolkata"},
        )
    ]
    change(engine, "sync_schedule", rows[3]["id"], "paused_until = '9999-12-31T00:00Z'")
    change(engine, "workspace_connector", rows[4]["connector_id"], "status = 'disabled'")
    close(engine, tenant, "02:05", "02:20")
    close(engine, tenant, "02:20", "02:25")

    minutes = [at("01:59") + timedelta(minutes=ahead) for ahead in range(35)]
    answers = [one for minute in minutes for one in connectors_due_at(engine, minute)]
    for minute in minutes:
        plan_due(engine, minute, timedelta(seconds=59), lambda: True)

    planned = [run for row in rows for run in starting(engine, row)]
    assert len(planned) > len(minutes)
    assert sorted((one.key, one.period_at, one.starts_at) for one in answers) == sorted(planned)


def close(engine: Engine, tenant: Tenant, starts: str, ends: str) -> None:
    """Give a workspace a blackout window of every day, in UTC."""
    window = BlackoutWindow(
        f"from {starts}", "UTC", WeeklyHours(frozenset(WEEKDAYS), starts=starts, ends=ends)
    )
    with engine.begin() as connection:
        insert_window(connection, tenant.workspace_id, window)


def starting(engine: Engine, schedule: Row) -> list[tuple[int, datetime, datetime]]:
    """Return the key, period and start of the runs that are planned of a schedule."""
    return [
        (schedule["id"], run["period_at"], run["not_before_at"])
        for run in runs_of(engine, schedule["id"])
        if run["status"] == "scheduled"
    ]
