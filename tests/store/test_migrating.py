"""Migrations in a deployment that is at work: they wait their turn, and others do not wait long."""

import threading
from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from infra.local.postgres import PostgresServer
from shared.store.engine import create_engine_for
from shared.store.migrate import alembic_configuration, is_current, upgrade
from shared.store.troubles import Trouble, trouble_of

BEFORE_ROLES = "0010"
BEFORE_INDEXES = "0016"
FILL = (
    "INSERT INTO workspace (slug, name) VALUES ('w', 'w')",
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT id, 'database', 'c', '{}' FROM workspace"
    ),
    (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, trigger_type,"
        " idempotency_key, not_before_at)"
        " SELECT workspace_id, id, 'manual', public_id || '-k', now() FROM workspace_connector"
    ),
    (
        "INSERT INTO sync_watermark (connector_id, stream, workspace_id, cursor, value, run_id)"
        " SELECT connector_id, stream, workspace_id, 'c', '{}', CASE stream WHEN 'kept' THEN id"
        " ELSE 999 END FROM workspace_connector_sync_log, unnest(ARRAY['kept', 'gone']) AS stream"
    ),
)


@pytest.fixture
def old(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the URL of a database without a role, a policy, or an index of pages, with rows."""
    postgres_server.create_database("old")
    url = postgres_server.url("old")
    command.upgrade(alembic_configuration(url), BEFORE_ROLES)
    engine = create_engine_for(url)
    with engine.begin() as connection:
        for statement in FILL:
            connection.execute(text(statement))
    engine.dispose()
    yield url
    postgres_server.drop_database("old")


@pytest.fixture
def worker(old: str) -> Iterator[Engine]:
    engine = create_engine_for(old)
    yield engine
    engine.dispose()


def _in_background(url: str) -> threading.Thread:
    migrator = threading.Thread(target=upgrade, args=(url,), daemon=True)
    migrator.start()
    return migrator


def _until_it_waits(engine: Engine) -> None:
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.execute(query).scalar_one() == 0:
            threading.Event().wait(0.01)


def test_a_migration_waits_for_a_worker_that_works_on_and_loses_nothing(
    old: str, worker: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = create_engine_for(old)
    with worker.begin() as connection:
        # As a lease does: the workspace first, and then the run.
        connection.execute(text("SELECT id FROM workspace FOR NO KEY UPDATE"))
        migrator = _in_background(old)
        _until_it_waits(watcher)
        connection.execute(text("UPDATE workspace_connector_sync_log SET attempt = 1"))
        while "tried again" not in caplog.text:
            threading.Event().wait(0.01)
    migrator.join()
    assert is_current(old)
    with watcher.connect() as connection:
        query = text("SELECT attempt FROM workspace_connector_sync_log")
        assert connection.execute(query).scalar_one() == 1
    watcher.dispose()


def test_whoever_serves_waits_less_than_a_second_behind_a_migration_that_waits(
    old: str, worker: Engine
) -> None:
    watcher = create_engine_for(old)
    with worker.begin() as connection:
        connection.execute(text("SELECT id FROM workspace FOR NO KEY UPDATE"))
        migrator = _in_background(old)
        _until_it_waits(watcher)
        with watcher.begin() as another:
            another.execute(text("SET LOCAL lock_timeout = '5s'"))
            assert another.execute(text("SELECT count(*) FROM workspace")).scalar_one() == 1
    migrator.join()
    watcher.dispose()


def test_a_migrator_waits_for_the_one_that_is_at_work_and_not_with_a_statement(
    old: str, worker: Engine
) -> None:
    lock = "SELECT pg_advisory_{}lock(hashtextextended('syncline.migrations', 0))"
    with worker.connect().execution_options(isolation_level="AUTOCOMMIT") as at_work:
        at_work.execute(text(lock.format("")))
        migrator = _in_background(old)
        # It waits for every statement under way.
        at_work.execute(text("CREATE INDEX CONCURRENTLY x ON workspace (name)"))
        version = text("SELECT version_num FROM alembic_version")
        assert at_work.execute(version).scalar_one() == BEFORE_ROLES
        at_work.execute(text("DROP INDEX x"))
        at_work.execute(text(lock.format("un")))
    migrator.join()
    assert is_current(old)


def test_an_index_whose_build_was_cut_is_built_anew(old: str, worker: Engine) -> None:
    command.upgrade(alembic_configuration(old), BEFORE_INDEXES)
    build = (
        "CREATE INDEX CONCURRENTLY run_history_of_a_connector ON workspace_connector_sync_log"
        " (connector_id, created_at DESC, id DESC)"
    )
    other = create_engine_for(old)
    with other.begin() as blocking:
        blocking.execute(text("UPDATE workspace_connector_sync_log SET attempt = 2"))
        with worker.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(DBAPIError) as cut:
                connection.execute(text(build))
            connection.execute(text("RESET lock_timeout"))
    assert trouble_of(cut.value) is Trouble.BUSY
    query = text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    with worker.connect() as connection:
        assert connection.execute(query).scalar_one() == 1
    upgrade(old)
    with worker.connect() as connection:
        assert connection.execute(query).scalar_one() == 0
    other.dispose()


def test_traces_of_deleted_runs_name_none_afterwards(old: str, worker: Engine) -> None:
    upgrade(old)
    operator = create_engine_for(old, is_operator=True)
    query = text("SELECT stream, run_id IS NULL FROM sync_watermark ORDER BY stream")
    with operator.connect() as connection:
        assert [tuple(row) for row in connection.execute(query)] == [
            ("gone", True),
            ("kept", False),
        ]
    operator.dispose()
