"""The migrations build what the tables say, and the tables keep the rules by themselves."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from infra.local.postgres import PostgresServer
from shared.store.migrate import is_current, upgrade
from shared.store.tables import metadata
from shared.store.violations import violation_of
from tests.factories import Tenant, make_connector, make_schedule, make_tenant

COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default,
    is_identity
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version'
ORDER BY table_name, column_name
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
ORDER BY 1, 2
"""
INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2
"""


_MONTHLY = "frequency = 'monthly', cron_expression = NULL, preferred_time = '02:00'"


@pytest.fixture
def made_from_tables(postgres_server: PostgresServer) -> Iterator[Engine]:
    postgres_server.create_database("made_from_tables")
    engine = create_engine(postgres_server.url("made_from_tables"))
    metadata.create_all(engine)
    yield engine
    engine.dispose()
    postgres_server.drop_database("made_from_tables")


@pytest.mark.parametrize(
    "query", [COLUMNS, CONSTRAINTS, INDEXES], ids=["columns", "rules", "indexes"]
)
def test_an_empty_database_migrated_equals_the_tables_in_code(
    engine: Engine, made_from_tables: Engine, query: str
) -> None:
    def read(one: Engine) -> list[tuple]:
        with one.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    assert read(engine) == read(made_from_tables)


def test_migrating_twice_changes_nothing(engine: Engine, database_url: str) -> None:
    upgrade(database_url)
    assert is_current(database_url)


def test_every_tenant_table_carries_its_workspace() -> None:
    for table in metadata.tables.values():
        if table.name not in ("workspace", "tick", "worker_instance"):
            assert not table.c.workspace_id.nullable, table.name


def test_every_table_that_changes_keeps_updated_at(engine: Engine) -> None:
    touched = {table.name for table in metadata.tables.values() if "updated_at" in table.c}
    with engine.connect() as connection:
        query = text(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'touch_updated_at'"
        )
        assert set(connection.execute(query).scalars()) == touched


def test_updated_at_moves_with_every_write(engine: Engine) -> None:
    tenant = make_tenant(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET updated_at = '2000-01-01'"))
        query = text("SELECT updated_at > now() - interval '1 hour' FROM workspace WHERE id = :id")
        assert connection.execute(query, {"id": tenant.workspace_id}).scalar_one()


def refused(engine: Engine, statement: str, **parameters: object) -> str:
    """Return the name of the rule that refuses a statement."""
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(text(statement), parameters)
    return violation_of(caught.value).constraint


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("frequency = 'yearly', cron_expression = NULL", "valid_frequency_enum"),
        (
            "frequency = 'weekly', cron_expression = NULL, preferred_time = '02:00'",
            "weekly_requires_day_of_week",
        ),
        (_MONTHLY, "monthly_requires_day_of_month"),
        ("preferred_day_of_week = 'monday'", "weekly_requires_day_of_week"),
        ("preferred_day_of_month = 3", "monthly_requires_day_of_month"),
        (_MONTHLY + ", preferred_day_of_month = 29", "day_of_month_range"),
        (
            "frequency = 'daily', cron_expression = NULL, preferred_time = '25:00'",
            "preferred_time_format",
        ),
        ("frequency = 'daily', cron_expression = NULL", "preferred_time_where_used"),
        ("cron_expression = NULL", "custom_requires_cron"),
        (
            "frequency = 'manual', cron_expression = NULL, next_scheduled_at = now()",
            "manual_frequency_clears_next_run",
        ),
        (
            "frequency = 'realtime', cron_expression = NULL, next_scheduled_at = now()",
            "manual_frequency_clears_next_run",
        ),
        ("is_enabled = false", "disabled_schedule_nulls_next_run"),
        ("plan_error = 'x'", "set_aside_schedule_nulls_next_run"),
        ("planned_through = next_scheduled_at", "next_run_is_after_the_high_water_mark"),
        ("last_run_status = 'done'", "last_run_status_valid_enum"),
        ("last_run_status = 'success', last_run_error = 'x'", "error_message_only_on_failure"),
        ("overlap_policy = 'both'", "overlap_policy_valid"),
        ("missed_run_policy = 'both'", "missed_run_policy_valid"),
        ("spread_seconds = -1", "spread_range"),
        ("blackout_policy = 'both'", "blackout_policy_valid"),
        ("pause_note = 'x'", "pause_note_only_on_pause"),
        ("name = ' '", "schedule_name_not_blank"),
    ],
)
def test_the_database_refuses_a_schedule_that_breaks_a_rule(
    engine: Engine, change: str, rule: str
) -> None:
    make_schedule(engine, make_tenant(engine))
    assert refused(engine, f"UPDATE sync_schedule SET {change}") == rule


def test_a_second_schedule_of_a_connector_is_refused(engine: Engine) -> None:
    schedule = make_schedule(engine, make_tenant(engine))
    copy = (
        "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, timezone)"
        " SELECT workspace_id, connector_id, 'x', 'manual', 'UTC' FROM sync_schedule WHERE id = :id"
    )
    assert refused(engine, copy, id=schedule["id"]) == "one_schedule_per_integration"


RUN = (
    "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
    " trigger_type, idempotency_key, period_at, not_before_at{columns})"
    " SELECT workspace_id, connector_id, id, 'cloud_task', :key, now(), now(){values}"
    " FROM sync_schedule"
)


def insert_run(engine: Engine, key: str, columns: str = "", values: str = "") -> None:
    with engine.begin() as connection:
        connection.execute(text(RUN.format(columns=columns, values=values)), {"key": key})


IN_PROGRESS = (", status, started_at, lease_expires_at", ", 'in_progress', now(), now()")


def test_two_runs_with_one_idempotency_key_are_refused(engine: Engine) -> None:
    make_schedule(engine, make_tenant(engine))
    insert_run(engine, "k")
    statement = RUN.format(columns="", values="")
    assert refused(engine, statement, key="k") == "one_run_per_period"


def test_two_runs_of_a_connector_in_progress_are_refused(engine: Engine) -> None:
    make_schedule(engine, make_tenant(engine))
    insert_run(engine, "a", *IN_PROGRESS)
    statement = RUN.format(columns=IN_PROGRESS[0], values=IN_PROGRESS[1])
    assert refused(engine, statement, key="b") == "one_run_in_progress_per_connector"


def test_a_second_interactive_run_is_refused_while_one_waits_or_is_in_progress(
    engine: Engine,
) -> None:
    make_schedule(engine, make_tenant(engine))
    manual = RUN.replace("'cloud_task'", "'manual'").replace(":key, now()", ":key, NULL")
    with engine.begin() as connection:
        statement = manual.format(columns=IN_PROGRESS[0], values=IN_PROGRESS[1])
        connection.execute(text(statement), {"key": "a"})
    waiting = manual.format(columns="", values="")
    assert refused(engine, waiting, key="b") == "one_active_interactive_run_per_connector"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("status = 'done'", "run_status_valid"),
        ("status = 'success'", "terminal_status_sets_completed_at"),
        ("completed_at = now()", "terminal_status_sets_completed_at"),
        ("status = 'success', completed_at = now(), error = 'x'", "no_error_on_success"),
        ("status = 'error', completed_at = now()", "every_other_end_has_a_reason"),
        ("status = 'skipped', completed_at = now()", "every_other_end_has_a_reason"),
        ("status = 'cancelled', completed_at = now()", "every_other_end_has_a_reason"),
        ("status = 'in_progress', started_at = now()", "in_progress_has_a_lease"),
        ("lease_expires_at = now()", "in_progress_has_a_lease"),
        ("status = 'in_progress', lease_expires_at = now()", "started_when_run"),
        (
            "status = 'success', started_at = now(), completed_at = now()",
            "duration_set_with_completed_at",
        ),
        ("attempt = 6", "attempts_are_bounded"),
        ("trigger_type = 'manual'", "run_period"),
        ("last_period_at = period_at + interval '1 day'", "folded_periods"),
        ("period_count = 2, last_period_at = period_at", "folded_periods"),
        ("trigger_type = 'cron', period_at = NULL", "run_trigger_valid"),
    ],
)
def test_the_database_refuses_a_run_that_breaks_a_rule(
    engine: Engine, change: str, rule: str
) -> None:
    make_schedule(engine, make_tenant(engine))
    insert_run(engine, "k")
    assert refused(engine, f"UPDATE workspace_connector_sync_log SET {change}") == rule


def test_a_row_cannot_point_into_another_workspace(engine: Engine) -> None:
    alice, mallory = make_tenant(engine), make_tenant(engine)
    connector = make_connector(engine, alice)

    def steal(tenant: Tenant) -> str:
        return refused(
            engine,
            "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, timezone)"
            " VALUES (:workspace, :connector, 'x', 'manual', 'UTC')",
            workspace=tenant.workspace_id,
            connector=connector["id"],
        )

    assert steal(mallory) == "foreign_key_integrity"


def test_deleting_a_schedule_keeps_its_runs(engine: Engine) -> None:
    make_schedule(engine, make_tenant(engine))
    insert_run(engine, "k")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sync_schedule"))
        query = text("SELECT schedule_id, workspace_id FROM workspace_connector_sync_log")
        schedule_id, workspace_id = connection.execute(query).one()
    assert schedule_id is None
    assert workspace_id is not None
