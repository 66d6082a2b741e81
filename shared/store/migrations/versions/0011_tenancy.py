"""Roles of the functions, and row-level security on every table of a tenant."""

from alembic import op

from shared.store.migrations.tenancy import OF_ITS_CONNECTOR, grant, protect_tenant_table

revision = "0011"
down_revision = "0010"

_MAKE_ROLE = """
DO $$ BEGIN
    IF to_regrole('{role}') IS NULL THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION
    -- Roles are the cluster's: another database may be migrated at the same time.
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# For every row that is written from now on; migration 0017 sees to those that are there.
_RUN_REFERENCES = (
    "CREATE INDEX watermark_of_a_run ON sync_watermark (run_id)",
    "CREATE INDEX stream_of_a_run ON connector_stream (run_id)",
    "ALTER TABLE connector_stream ALTER COLUMN run_id DROP NOT NULL",
    """
ALTER TABLE sync_watermark ADD CONSTRAINT watermark_of_its_run
FOREIGN KEY (workspace_id, run_id) REFERENCES workspace_connector_sync_log (workspace_id, id)
ON DELETE SET NULL (run_id) NOT VALID
""",
    """
ALTER TABLE connector_stream ADD CONSTRAINT stream_of_its_run
FOREIGN KEY (workspace_id, run_id) REFERENCES workspace_connector_sync_log (workspace_id, id)
ON DELETE SET NULL (run_id) NOT VALID
""",
)
_ALL = "SELECT, INSERT, UPDATE, DELETE"
# What planning, admission, enqueuing and cancelling change of a run, and what only a worker does.
_OF_A_RUN = (
    "status, reason, schedule_id, period_count, last_period_at, not_before_at, max_attempts,"
    " admitted_at, enqueued_at, cloud_task_id, task_generation, next_attempt_at, lease_expires_at,"
    " fence, completed_at, duration_ms"
)
_OF_ITS_WORK = (
    "attempt, started_at, leased_at, lost_tasks, slices, positions, throttled_since,"
    " connector_held_until, config_version, error, metadata, records_processed, records_created,"
    " records_updated, records_failed"
)
# The key is looked for before it is known whose it is: the hash of its secret is the proof.
_FOUND_BY_ITS_HASH = """
CREATE POLICY found_by_its_hash ON api_key FOR SELECT TO syncline_app
USING (
    secret_hash
    = (SELECT decode(nullif(current_setting('syncline.key_hash', true), ''), 'hex'))
)
"""
# And so is the state that a browser brings back from a provider.
_FOUND_BY_ITS_STATE = """
CREATE POLICY found_by_its_state ON oauth_state FOR SELECT TO syncline_app
USING (
    state_hash
    = (SELECT decode(nullif(current_setting('syncline.state_hash', true), ''), 'hex'))
)
"""


def upgrade() -> None:
    """Make the roles, the policies, and the references that were missing."""
    for role in ("syncline_app", "syncline_system"):
        op.execute(_MAKE_ROLE.format(role=role))
    op.execute("GRANT USAGE ON SCHEMA public TO syncline_app, syncline_system")
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    _protect_what_people_set()
    _protect_what_runs_write()
    for statement in _RUN_REFERENCES:
        op.execute(statement)
    grant("tick", app="SELECT", system="SELECT, INSERT, UPDATE")
    grant("worker_instance", system=_ALL)
    grant("alembic_version", app="SELECT", system="SELECT")


def _protect_what_people_set() -> None:
    # Whoever locks a row needs the right to change some column of it.
    protect_tenant_table(
        "workspace",
        key="id",
        app="SELECT, UPDATE (name, timezone, max_concurrent_syncs, minimum_interval_seconds,"
        " retention_days, updated_at)",
        system="SELECT, UPDATE (updated_at)",
    )
    protect_tenant_table(
        "api_key",
        app="SELECT, INSERT, UPDATE (name, expires_at, last_used_at, revoked_at)",
        system="",
    )
    op.execute(_FOUND_BY_ITS_HASH)
    protect_tenant_table(
        "workspace_connector",
        app="SELECT, INSERT, UPDATE (name, config, secret_pointers, config_version, access_version,"
        " status, health, health_reason, health_next_check_at, deleted_at)",
        system="SELECT, UPDATE (status, health, health_reason, health_next_check_at)",
    )
    protect_tenant_table(
        "connector_credential",
        check=OF_ITS_CONNECTOR.format(table="connector_credential", more=""),
        app="SELECT, INSERT, DELETE, UPDATE (ciphertext, nonce, wrapped_key, key_version,"
        " token_version, expires_at, authorized_at, refresh_lease_expires_at)",
        system="SELECT, UPDATE (ciphertext, nonce, wrapped_key, key_version, token_version,"
        " expires_at, authorized_at, refresh_lease_expires_at)",
    )
    protect_tenant_table(
        "oauth_state",
        check=OF_ITS_CONNECTOR.format(table="oauth_state", more=""),
        app="SELECT, INSERT, DELETE, UPDATE (used_at)",
        # The dispatcher prunes them.
        system="SELECT (state_hash, expires_at), DELETE, UPDATE (used_at)",
    )
    op.execute(_FOUND_BY_ITS_STATE)
    protect_tenant_table(
        "sync_schedule",
        check=OF_ITS_CONNECTOR.format(table="sync_schedule", more=""),
        app=_ALL,
        system="SELECT, UPDATE (planned_through, next_scheduled_at, zone_data_version, plan_error,"
        " last_run_at, last_run_status, last_run_error, last_run_records_synced)",
    )
    protect_tenant_table("blackout_window", app="SELECT, INSERT, UPDATE, DELETE", system="SELECT")


def _protect_what_runs_write() -> None:
    # A key begins with its connector's id: nobody takes or finds the key of another's period.
    protect_tenant_table(
        "workspace_connector_sync_log",
        check=OF_ITS_CONNECTOR.format(
            table="workspace_connector_sync_log",
            more=" AND starts_with(workspace_connector_sync_log.idempotency_key,"
            " CAST(c.public_id AS text))",
        ),
        app=f"SELECT, INSERT, UPDATE ({_OF_A_RUN})",
        system=f"SELECT, INSERT, UPDATE ({_OF_A_RUN}, {_OF_ITS_WORK})",
    )
    protect_tenant_table("sync_log_event", app="SELECT, INSERT", system="SELECT, INSERT")
    protect_tenant_table(
        "sync_watermark",
        check=OF_ITS_CONNECTOR.format(table="sync_watermark", more=""),
        app=_ALL,
        system="SELECT, INSERT, UPDATE",
    )
    protect_tenant_table(
        "connector_stream",
        check=OF_ITS_CONNECTOR.format(table="connector_stream", more=""),
        app="SELECT, DELETE",
        system="SELECT, INSERT, UPDATE",
    )
