"""All rights of the two roles: a widening shows here as a change of a test."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from shared.domain.health import Health, Verdict
from shared.store.connectors import note_health
from shared.store.engine import create_engine_for
from shared.store.hooks import prune_deliveries
from shared.store.oauth_grants import (
    give_back_refresh_lease,
    note_lost_grant,
    store_refreshed,
    take_refresh_lease,
)
from shared.store.oauth_states import prune_states
from shared.store.requests import prune_requests
from shared.store.tenancy import DatabaseRole
from tests.conftest import DatabaseUrlOf
from tests.store.tenants import fill_workspace

_OF_TABLES = text(
    """
SELECT t.relname, x.privilege_type, string_agg(a.attname, ', ' ORDER BY a.attname) AS columns
FROM pg_class AS t
CROSS JOIN LATERAL (
    SELECT CAST(NULL AS smallint) AS attnum, whole.privilege_type, whole.grantee
    FROM aclexplode(t.relacl) AS whole
    UNION ALL
    SELECT c.attnum, one.privilege_type, one.grantee
    FROM pg_attribute AS c CROSS JOIN aclexplode(c.attacl) AS one
    WHERE c.attrelid = t.oid AND NOT c.attisdropped
) AS x
LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = x.attnum
WHERE t.relnamespace = to_regnamespace('public') AND x.grantee = to_regrole(:role)
GROUP BY t.relname, x.privilege_type
ORDER BY t.relname, x.privilege_type
"""
)
_OF_FUNCTIONS = text(
    """
SELECT f.proname FROM pg_proc AS f
WHERE f.pronamespace = to_regnamespace('public') AND f.prosecdef
    AND has_function_privilege(CAST(:role AS text), f.oid, 'EXECUTE')
ORDER BY f.proname
"""
)

APP = {
    "alembic_version": "SELECT",
    "api_key": "INSERT, SELECT, UPDATE (expires_at, last_used_at, name, revoked_at, version)",
    "audit_log": "INSERT, SELECT",
    "blackout_window": "DELETE, INSERT, SELECT, UPDATE",
    "connector_credential": (
        "DELETE, INSERT, SELECT, UPDATE (authorized_at, ciphertext, expires_at, key_version,"
        " nonce, refresh_lease_expires_at, token_version, wrapped_key)"
    ),
    "connector_stream": "DELETE, SELECT",
    "member": (
        "INSERT, SELECT, UPDATE (joined_at, last_used_at, name, removed_at, role, subject, version)"
    ),
    "oauth_state": "DELETE, INSERT, SELECT, UPDATE (used_at)",
    "refusals_left_out": "DELETE, INSERT, SELECT, UPDATE (actor_name, last_at, refusals)",
    "repeatable_request": "DELETE, INSERT, SELECT, UPDATE",
    "sync_log_event": "INSERT, SELECT",
    "sync_schedule": "DELETE, INSERT, SELECT, UPDATE",
    "sync_watermark": "DELETE, INSERT, SELECT, UPDATE",
    "tick": "SELECT",
    "trigger_allowance": "INSERT, SELECT, UPDATE",
    "unread_change": "DELETE, INSERT, SELECT, UPDATE (look_at, reported_at, runs)",
    "webhook_delivery": "INSERT, SELECT",
    "webhook_endpoint": "DELETE, INSERT, SELECT, UPDATE",
    "workspace": (
        "SELECT, UPDATE (manual_triggers_per_minute, max_concurrent_syncs,"
        " minimum_interval_seconds, name, retention_days, timezone, updated_at, version)"
    ),
    "workspace_connector": (
        "INSERT, SELECT, UPDATE (access_version, config, config_version, deleted_at, health,"
        " health_looked_at, health_next_check_at, health_reason, name, secret_pointers,"
        " status, version)"
    ),
    "workspace_connector_sync_log": (
        "INSERT, SELECT, UPDATE (admitted_at, cloud_task_id, completed_at, duration_ms,"
        " enqueued_at, fence, last_period_at, lease_expires_at, max_attempts, next_attempt_at,"
        " not_before_at, period_count, reason, schedule_id, status, task_generation)"
    ),
}
SYSTEM = {
    "alembic_version": "SELECT",
    "blackout_window": "SELECT",
    "connector_credential": (
        "SELECT, UPDATE (authorized_at, ciphertext, expires_at, key_version, nonce,"
        " refresh_lease_expires_at, token_version, wrapped_key)"
    ),
    "connector_stream": "INSERT, SELECT, UPDATE",
    "oauth_state": "DELETE, SELECT (expires_at, state_hash), UPDATE (used_at)",
    "repeatable_request": (
        "DELETE, SELECT (expires_at, key_hash, operation, workspace_id), UPDATE (locked_until)"
    ),
    "sync_log_event": "INSERT, SELECT",
    "sync_schedule": (
        "SELECT, UPDATE (last_run_at, last_run_error, last_run_records_synced,"
        " last_run_status, next_scheduled_at, plan_error, planned_through, zone_data_version)"
    ),
    "sync_watermark": "INSERT, SELECT, UPDATE",
    "tick": "INSERT, SELECT, UPDATE",
    "unread_change": "DELETE, SELECT, UPDATE (look_at, runs, unread_since)",
    "webhook_delivery": "DELETE, SELECT, UPDATE (expires_at)",
    "worker_instance": "DELETE, INSERT, SELECT, UPDATE",
    "workspace": "SELECT, UPDATE (updated_at)",
    "workspace_connector": (
        "SELECT, UPDATE (health, health_looked_at, health_next_check_at, health_reason, status)"
    ),
    "workspace_connector_sync_log": (
        "INSERT, SELECT, UPDATE (admitted_at, attempt, cloud_task_id, completed_at,"
        " config_version, connector_held_until, duration_ms, enqueued_at, error, fence,"
        " last_period_at, lease_expires_at, leased_at, lost_tasks, max_attempts, metadata,"
        " next_attempt_at, not_before_at, period_count, positions, reading_since, reason,"
        " records_created, records_failed, records_processed, records_updated, schedule_id,"
        " slices, started_at, status, task_generation, throttled_since)"
    ),
}


def _rights_of(engine: Engine, role: str) -> dict[str, str]:
    """Return what a role may do with each table, columns named where it is not all of them."""
    whole: dict[str, list[str]] = {}
    some: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for table, privilege, columns in connection.execute(_OF_TABLES, {"role": role}):
            if columns is None:
                whole.setdefault(table, []).append(privilege)
            else:
                some.setdefault(table, []).append(f"{privilege} ({columns})")
    tables = sorted({*whole, *some})
    return {table: ", ".join([*whole.get(table, []), *some.get(table, [])]) for table in tables}


@pytest.mark.parametrize(("role", "rights"), [("syncline_app", APP), ("syncline_system", SYSTEM)])
def test_a_role_has_these_rights_and_no_others(
    engine: Engine, role: str, rights: dict[str, str]
) -> None:
    assert _rights_of(engine, role) == rights


@pytest.mark.parametrize(
    ("role", "functions"), [("syncline_app", ["syncline_metrics"]), ("syncline_system", [])]
)
def test_a_role_may_call_these_functions_that_act_as_their_owner(
    engine: Engine, role: str, functions: list[str]
) -> None:
    with engine.connect() as connection:
        assert connection.execute(_OF_FUNCTIONS, {"role": role}).scalars().all() == functions


def test_the_dispatcher_may_prune_and_the_worker_may_renew(
    engine: Engine, database_url_of: DatabaseUrlOf
) -> None:
    workspace = fill_workspace(engine)
    later = datetime(2999, 1, 1, tzinfo=UTC)
    query = text("SELECT id FROM workspace_connector WHERE workspace_id = :w")
    sealed = {"ciphertext": b"", "nonce": b"", "wrapped_key": b"", "key_version": "local-2"}
    system = create_engine_for(database_url_of("dispatcher"), role=DatabaseRole.SYSTEM)
    with system.begin() as connection:
        for prune in (prune_states, prune_requests, prune_deliveries):
            assert prune(connection, now=later, page=10) == 1
        connector = connection.execute(query, {"w": workspace}).scalar_one()
        versions = {"token_version": 1, "access_version": 1}
        held = take_refresh_lease(connection, connector, **versions, lease=timedelta(minutes=1))
        assert held is not None
        give_back_refresh_lease(connection, connector, held)
        take_refresh_lease(connection, connector, **versions, lease=timedelta(minutes=1))
        assert store_refreshed(connection, connector, **versions, expires_at=later, **sealed)
        assert note_lost_grant(connection, connector, 2, reason="It was revoked.")
        note_health(
            connection,
            connector,
            Verdict(Health.HEALTHY),
            config_version=1,
            looked_at=later,
            next_check_at=later,
        )
    system.dispose()
