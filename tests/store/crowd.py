"""One large workspace among many small ones, as the functions see them.

The average workspace is small: a plan that is made for it reads all rows of the large one. And the
statistics know of no run that waits, as they do of most days.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Engine, event, text

from infra.local.logins import login_of
from infra.local.postgres import PostgresServer
from shared.store.engine import create_engine_for
from shared.store.tenancy import DatabaseRole, speaking_for
from tests.factories import make_tenant

SCHEDULES = 20_000
SMALL_WORKSPACES = 2_000
WAITING = 5_000

_DATABASE = "test_crowd"
_FILL = (
    (
        "INSERT INTO workspace (slug, name)"
        " SELECT 'small-' || n, 'small' FROM generate_series(1, :small) AS n"
    ),
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT :large, 'database', 'c' || n, '{}' FROM generate_series(1, :schedules) AS n"
    ),
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT id, 'database', 'c', '{}' FROM workspace WHERE id <> :large"
    ),
    (
        "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency,"
        " preferred_time, timezone, next_scheduled_at)"
        " SELECT workspace_id, id, name, 'daily', '02:00', 'UTC',"
        " now() + id * interval '1 second' FROM workspace_connector"
    ),
    (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
        " trigger_type, idempotency_key, period_at, not_before_at, status, started_at,"
        " completed_at, duration_ms)"
        " SELECT workspace_id, connector_id, id, 'cloud_task', 'k' || id, now(), now(),"
        " 'success', now(), now(), 0 FROM sync_schedule"
    ),
    "ALTER TABLE workspace_connector_sync_log SET (autovacuum_enabled = false)",
)
# One in five is in progress.
_BACKLOG = text(
    "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
    " trigger_type, idempotency_key, period_at, not_before_at, status, started_at,"
    " lease_expires_at)"
    " SELECT workspace_id, connector_id, id, 'cloud_task', 'waiting-' || id, now(), now(),"
    " CASE WHEN is_begun THEN 'in_progress' ELSE 'scheduled' END,"
    " CASE WHEN is_begun THEN now() END, CASE WHEN is_begun THEN now() END"
    " FROM (SELECT s.*, mod(id, 5) = 0 AS is_begun FROM sync_schedule AS s"
    " WHERE workspace_id = :large ORDER BY id LIMIT :waiting) AS s"
)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Engines on the same database."""

    system: Engine
    """With the login of dispatcher and worker."""
    api: Engine
    """With the login of the api, for a caller of the large workspace."""
    large: int
    """The internal key of that workspace."""


@pytest.fixture(scope="session")
def crowd(postgres_server: PostgresServer, template_database: str) -> Iterator[Crowd]:
    """Return the database; tests leave nothing in it."""
    postgres_server.create_database(_DATABASE, template=template_database)
    owner = create_engine_for(postgres_server.url(_DATABASE))
    large = make_tenant(owner).workspace_id
    values = {"large": large, "small": SMALL_WORKSPACES, "schedules": SCHEDULES}
    with owner.begin() as connection:
        # Checks of references are most of the work, and what is written here keeps them.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in map(text, _FILL):
            connection.execute(statement, {name: values[name] for name in statement._bindparams})
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(_BACKLOG, {"large": large, "waiting": WAITING})
    owner.dispose()
    system = create_engine_for(
        postgres_server.url(_DATABASE, login_of("worker")), role=DatabaseRole.SYSTEM
    )
    api = create_engine_for(postgres_server.url(_DATABASE, login_of("api")), role=DatabaseRole.APP)
    yield Crowd(system, speaking_for(api, large), large)
    system.dispose()
    api.dispose()
    postgres_server.drop_database(_DATABASE)


def plans_of(engine: Engine, ask: Callable[[Connection], object]) -> list[str]:
    """Return the plans of the statements by which something is asked; nothing of it stays."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, sql: str, parameters: object, *_: object) -> None:
        asked.append((sql, parameters))

    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        ask(connection)
        event.remove(connection, "before_cursor_execute", note)
        plans = [
            "\n".join(
                connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}", parameters
                ).scalars()
            )
            for sql, parameters in asked
        ]
        connection.rollback()
    return plans


def rows_of(plan: str) -> int:
    """Return how many rows the busiest step of a plan read or threw away, over all its loops."""
    found = re.findall(r"\(actual rows=([0-9.]+) loops=([0-9]+)\)", plan)
    removed = re.findall(r"Rows Removed by (?:Filter|Index Recheck): ([0-9.]+)", plan)
    return int(max([float(rows) * int(loops) for rows, loops in found] + [*map(float, removed)]))


def blocks_of(plan: str) -> int:
    """Return how many blocks a statement touched."""
    first = next(line for line in plan.splitlines() if line.strip().startswith("Buffers:"))
    return sum(map(int, re.findall(r"(?:hit|read)=([0-9]+)", first)))
