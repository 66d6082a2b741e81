"""A database with data of an older version becomes one of the newest."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import Engine, text

from infra.local.postgres import PostgresServer
from shared.store.engine import create_engine_for
from shared.store.migrate import alembic_configuration, is_current, upgrade

FILL = (
    "INSERT INTO workspace (slug, name) VALUES ('w', 'w')",
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT id, 'database', 'c', '{}' FROM workspace"
    ),
    (
        "INSERT INTO connector_credential (connector_id, workspace_id, ciphertext, nonce,"
        " wrapped_key, key_version) SELECT id, workspace_id, '', '', '', 'local-1'"
        " FROM workspace_connector"
    ),
    (
        "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, preferred_time,"
        " timezone, pause_note, planned_through, next_scheduled_at)"
        " SELECT workspace_id, id, 's', 'daily', '02:00', 'UTC', 'a note without a pause', now(),"
        " now() + interval '1 hour' FROM workspace_connector"
    ),
    (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
        " trigger_type, idempotency_key, period_at, period_count, not_before_at, status, reason,"
        " completed_at) SELECT workspace_id, connector_id, id, 'cloud_task', 'k', now(), 7, now(),"
        " 'skipped', 'coalesced', now() FROM sync_schedule"
    ),
)


@pytest.fixture
def first_version(postgres_server: PostgresServer) -> Iterator[tuple[Engine, str]]:
    """Return a database as the first version left it, with a row of each kind."""
    postgres_server.create_database("first_version")
    url = postgres_server.url("first_version")
    command.upgrade(alembic_configuration(url), "0001")
    engine = create_engine_for(url)
    with engine.begin() as connection:
        for statement in FILL:
            connection.execute(text(statement))
    yield engine, url
    engine.dispose()
    postgres_server.drop_database("first_version")


def test_what_the_first_version_stored_is_kept(first_version: tuple[Engine, str]) -> None:
    engine, url = first_version

    upgrade(url)

    assert is_current(url)
    with engine.connect() as connection:
        schedule = connection.execute(text("SELECT * FROM sync_schedule")).mappings().one()
        run = connection.execute(text("SELECT * FROM workspace_connector_sync_log")).mappings()
        folded = run.one()
        query = text("SELECT secret_pointers FROM workspace_connector")
        secrets = connection.execute(query).scalars().all()
    assert schedule["next_scheduled_at"] - schedule["planned_through"] == timedelta(hours=1)
    # Computed with nobody knows which zone data, so that the next tick computes it again.
    assert (schedule["zone_data_version"], schedule["pause_note"]) == ("", None)
    assert (folded["period_count"], folded["last_period_at"]) == (7, None)
    assert secrets == [["/password"]]
