from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from shared.domain.blackout import BlackoutWindow, DatedDays, WeeklyHours
from shared.domain.blackout_rules import MAX_WINDOWS
from shared.store.blackouts import (
    delete_window,
    find_window,
    insert_window,
    list_windows,
    to_window,
    windows_of,
)
from shared.store.rows import Row
from shared.store.violations import violation_of
from tests.factories import Tenant, make_tenant

NIGHTS = BlackoutWindow(
    "nights", "Europe/Oslo", WeeklyHours(frozenset({"monday", "friday"}), "22:00", "24:00")
)
CHRISTMAS = BlackoutWindow(
    "Christmas", "Asia/Tokyo", DatedDays(date(2026, 12, 24), date(2026, 12, 26))
)


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


def add(engine: Engine, tenant: Tenant, *windows: BlackoutWindow) -> list[Row]:
    with engine.begin() as connection:
        return [insert_window(connection, tenant.workspace_id, window) for window in windows]


def test_a_window_is_read_as_it_was_written(engine: Engine, tenant: Tenant) -> None:
    rows = add(engine, tenant, NIGHTS, CHRISTMAS)
    with engine.connect() as connection:
        listed = list_windows(connection, tenant.workspace_id)
        found = [find_window(connection, tenant.workspace_id, row["public_id"]) for row in rows]
    assert [to_window(row) for row in rows] == [NIGHTS, CHRISTMAS]
    assert listed == found == rows


def test_the_windows_of_another_workspace_are_not_there(engine: Engine, tenant: Tenant) -> None:
    mallory = make_tenant(engine)
    [row] = add(engine, tenant, NIGHTS)
    with engine.begin() as connection:
        assert list_windows(connection, mallory.workspace_id) == []
        assert find_window(connection, mallory.workspace_id, row["public_id"]) is None
        assert not delete_window(connection, mallory.workspace_id, row["public_id"])
        assert len(list_windows(connection, tenant.workspace_id)) == 1


def test_a_window_is_deleted_once(engine: Engine, tenant: Tenant) -> None:
    first, second = add(engine, tenant, NIGHTS, CHRISTMAS)
    with engine.begin() as connection:
        assert delete_window(connection, tenant.workspace_id, first["public_id"])
        assert not delete_window(connection, tenant.workspace_id, first["public_id"])
        assert not delete_window(connection, tenant.workspace_id, uuid4())
        assert list_windows(connection, tenant.workspace_id) == [second]


def test_the_windows_of_many_workspaces_come_in_one_statement(engine: Engine) -> None:
    alice, bob, nobody, other = (make_tenant(engine) for _ in range(4))
    add(engine, bob, NIGHTS)
    add(engine, alice, CHRISTMAS, NIGHTS)
    add(engine, other, NIGHTS)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    with engine.connect() as connection:
        found = windows_of(connection, [tenant.workspace_id for tenant in (alice, bob, nobody)])

    assert len(statements) == 1
    assert found == {
        alice.workspace_id: (CHRISTMAS, NIGHTS),
        bob.workspace_id: (NIGHTS,),
    }


def test_of_no_workspaces_there_are_no_windows(engine: Engine) -> None:
    with engine.connect() as connection:
        assert windows_of(connection, []) == {}


INSERT_MANY = """
INSERT INTO blackout_window (workspace_id, name, timezone, first_day, last_day)
SELECT w.id, 'w' || n, 'UTC', '2026-01-01', '2026-01-02'
FROM workspace AS w, generate_series(1, :each) AS n
"""


def test_a_page_of_workspaces_reads_only_its_own_windows(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace (slug, name)"
                " SELECT 'w' || n, 'w' FROM generate_series(1, 3000) AS n"
            )
        )
        connection.execute(text(INSERT_MANY), {"each": 4})
        ids = connection.execute(text("SELECT id FROM workspace LIMIT 20")).scalars().all()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    with engine.connect() as connection:
        statements: list[tuple[str, object]] = []
        event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2:4]))
        assert sum(map(len, windows_of(connection, ids).values())) == 80
        statement, parameters = statements[-1]
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
    assert not [line for line in plan if "Seq Scan" in line], plan


def test_a_workspace_with_the_most_windows_is_read_whole(engine: Engine, tenant: Tenant) -> None:
    other = make_tenant(engine)
    with engine.begin() as connection:
        connection.execute(text(INSERT_MANY), {"each": MAX_WINDOWS})
        found = windows_of(connection, [tenant.workspace_id, other.workspace_id])
        assert [len(windows) for windows in found.values()] == [MAX_WINDOWS, MAX_WINDOWS]
        assert len(list_windows(connection, tenant.workspace_id)) == MAX_WINDOWS


def refused(engine: Engine, statement: str) -> str:
    """Return the name of the rule that refuses a statement."""
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(text(statement))
    return violation_of(caught.value).constraint


@pytest.mark.parametrize(
    ("window", "change", "rule"),
    [
        (NIGHTS, "name = ' '", "blackout_name_not_blank"),
        (NIGHTS, "ends_time = NULL", "blackout_weekly_or_dated"),
        (NIGHTS, "days_of_week = NULL", "blackout_weekly_or_dated"),
        (NIGHTS, "first_day = '2026-01-01'", "blackout_weekly_or_dated"),
        (
            NIGHTS,
            "first_day = '2026-01-01', last_day = '2026-01-01'",
            "blackout_weekly_or_dated",
        ),
        (
            NIGHTS,
            "days_of_week = NULL, starts_time = NULL, ends_time = NULL",
            "blackout_weekly_or_dated",
        ),
        (NIGHTS, "days_of_week = '{}'", "blackout_days_required"),
        (NIGHTS, "days_of_week = '{monday,funday}'", "blackout_days_of_week_valid"),
        (NIGHTS, "days_of_week = '{monday,NULL}'", "blackout_days_of_week_valid"),
        (NIGHTS, "starts_time = '24:00'", "blackout_time_format"),
        (NIGHTS, "starts_time = '9:00'", "blackout_time_format"),
        (NIGHTS, "ends_time = '24:01'", "blackout_time_format"),
        (CHRISTMAS, "last_day = NULL", "blackout_weekly_or_dated"),
        (CHRISTMAS, "starts_time = '09:00'", "blackout_weekly_or_dated"),
        (CHRISTMAS, "last_day = first_day - 1", "blackout_dates_order"),
        (CHRISTMAS, "last_day = first_day + 366", "blackout_dates_span"),
    ],
)
def test_the_database_refuses_a_window_that_breaks_a_rule(
    engine: Engine, tenant: Tenant, window: BlackoutWindow, change: str, rule: str
) -> None:
    add(engine, tenant, window)
    assert refused(engine, f"UPDATE blackout_window SET {change}") == rule


def test_a_name_is_used_once_in_a_workspace(engine: Engine, tenant: Tenant) -> None:
    add(engine, tenant, NIGHTS)
    add(engine, make_tenant(engine), NIGHTS)
    copy = (
        "INSERT INTO blackout_window (workspace_id, name, timezone, first_day, last_day)"
        f" VALUES ({tenant.workspace_id}, 'NIGHTS', 'UTC', '2026-01-01', '2026-01-01')"
    )
    assert refused(engine, copy) == "one_blackout_window_per_name"


def test_a_window_of_366_days_is_stored(engine: Engine, tenant: Tenant) -> None:
    first = date(2028, 1, 1)
    year = BlackoutWindow("leap", "UTC", DatedDays(first, first + timedelta(days=365)))
    [row] = add(engine, tenant, year)
    assert to_window(row) == year
