"""What every tick asks, at a million schedules: read through an index, and nothing else."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from infra.local.postgres import PostgresServer
from shared.store.engine import create_engine_for
from shared.store.sql import load_sql

SCHEDULES = 1_000_000
DUE = 100
NOW = "2026-03-02T02:00Z"
# Connectors and workspaces are few: it is the schedules that the query could scan.
FILL = (
    "SET LOCAL statement_timeout = 0",
    # Without the triggers of foreign keys and updated_at: what the planner sees is the same.
    "SET LOCAL session_replication_role = replica",
    "INSERT INTO workspace (slug, name) VALUES ('w', 'w')",
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT w.id, 'database', 'c' || n, '{}' FROM workspace AS w,"
        " generate_series(1, 1000) AS n"
    ),
    (
        "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, preferred_time,"
        " timezone, planned_through, next_scheduled_at)"
        " SELECT 1, n, 'n', 'daily', '02:00', 'UTC',"
        f" CAST('{NOW}' AS timestamptz) - interval '1 day',"
        f" CAST('{NOW}' AS timestamptz) + (n - {DUE}) * interval '1 second'"
        f" FROM generate_series(1, {SCHEDULES}) AS n"
    ),
)


@pytest.fixture(scope="module")
def million(postgres_server: PostgresServer, template_database: str) -> Iterator[Engine]:
    """Return a database with a million schedules, of which 100 are due."""
    postgres_server.create_database("a_million", template=template_database)
    engine = create_engine_for(postgres_server.url("a_million"))
    with engine.begin() as connection:
        for statement in FILL:
            connection.execute(text(statement))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE sync_schedule"))
    yield engine
    engine.dispose()
    postgres_server.drop_database("a_million")


@pytest.mark.parametrize(
    ("name", "parameters", "index", "rows"),
    [
        ("due_schedules", {"horizon": NOW, "page": 1000}, "idx_sync_schedule_next_run", DUE),
        (
            "schedules_of_older_zone_data",
            {"version": "", "page": 500},
            "schedule_by_zone_data",
            0,
        ),
        (
            "time_out_stale_schedules",
            {"now": NOW, "patience": "2 hours", "page": 500},
            "schedule_shown_as_running",
            0,
        ),
    ],
)
def test_what_every_tick_asks_reads_a_million_schedules_through_its_index(
    million: Engine, name: str, parameters: dict[str, object], index: str, rows: int
) -> None:
    explain = text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {load_sql(name).text}")
    with million.connect() as connection:
        plan = "\n".join(connection.execute(explain, parameters).scalars())
        connection.rollback()
    scan = next(line for line in plan.splitlines() if "Scan using" in line and "schedule" in line)
    assert f"Index Scan using {index} on sync_schedule" in scan, plan
    assert f"(actual rows={rows}.00 " in scan, plan
    assert "Seq Scan on sync_schedule" not in plan, plan
    assert "Rows Removed by Filter" not in plan, plan


def test_a_flag_instead_of_the_index_would_read_them_all(million: Engine) -> None:
    # What the partial index is for: the same question by `is_enabled` has no index to use.
    explain = text(
        "EXPLAIN (COSTS OFF) SELECT id FROM sync_schedule"
        " WHERE is_enabled IS TRUE AND planned_through < CAST(:now AS timestamptz)"
    )
    with million.connect() as connection:
        plan = "\n".join(connection.execute(explain, {"now": NOW}).scalars())
    assert "Seq Scan on sync_schedule" in plan
