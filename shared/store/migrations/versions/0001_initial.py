"""The first schema: workspaces, connectors, schedules, runs, watermarks and ticks."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
CREATE TABLE workspace (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    public_id UUID DEFAULT gen_random_uuid() NOT NULL,
    slug VARCHAR(63) NOT NULL,
    name VARCHAR(200) NOT NULL,
    timezone VARCHAR(64) DEFAULT 'Europe/Oslo' NOT NULL,
    max_concurrent_syncs INTEGER DEFAULT '5' NOT NULL,
    minimum_interval_seconds INTEGER DEFAULT '60' NOT NULL,
    retention_days INTEGER DEFAULT '90' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT workspace_pkey PRIMARY KEY (id),
    CONSTRAINT workspace_slug_form CHECK (slug ~ '^[a-z0-9][a-z0-9-]*$'),
    CONSTRAINT workspace_name_not_blank CHECK (length(btrim(name)) > 0),
    CONSTRAINT workspace_concurrency_range CHECK (max_concurrent_syncs BETWEEN 1 AND 1000),
    CONSTRAINT workspace_minimum_interval_range CHECK (minimum_interval_seconds >= 60),
    CONSTRAINT workspace_retention_range CHECK (retention_days >= 1),
    CONSTRAINT workspace_public_id_key UNIQUE (public_id),
    CONSTRAINT workspace_slug_key UNIQUE (slug)
)
""",
    """
CREATE TABLE api_key (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    public_id UUID DEFAULT gen_random_uuid() NOT NULL,
    workspace_id BIGINT NOT NULL,
    name VARCHAR(200) NOT NULL,
    prefix VARCHAR(16) NOT NULL,
    secret_hash BYTEA NOT NULL,
    role VARCHAR(16) NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT api_key_pkey PRIMARY KEY (id),
    CONSTRAINT api_key_role_valid CHECK (role IN ('viewer', 'editor', 'admin')),
    CONSTRAINT api_key_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT api_key_public_id_key UNIQUE (public_id),
    CONSTRAINT api_key_workspace_id_fkey FOREIGN KEY(workspace_id) REFERENCES workspace (id),
    CONSTRAINT api_key_prefix_key UNIQUE (prefix)
)
""",
    """
CREATE TABLE workspace_connector (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    public_id UUID DEFAULT gen_random_uuid() NOT NULL,
    workspace_id BIGINT NOT NULL,
    connector_type VARCHAR(63) NOT NULL,
    name VARCHAR(200) NOT NULL,
    config JSONB NOT NULL,
    status VARCHAR(32) DEFAULT 'connected' NOT NULL,
    health VARCHAR(16) DEFAULT 'unknown' NOT NULL,
    health_reason VARCHAR(500),
    health_next_check_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT workspace_connector_pkey PRIMARY KEY (id),
    CONSTRAINT workspace_connector_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT connector_type_form CHECK (connector_type ~ '^[a-z][a-z0-9_]*$'),
    CONSTRAINT connector_name_not_blank CHECK (length(btrim(name)) > 0),
    CONSTRAINT connector_config_is_object CHECK (jsonb_typeof(config) = 'object'),
    CONSTRAINT connector_status_valid CHECK (status IN ('pending_authorization', 'connected',
        'needs_reauthorization', 'disabled')),
    CONSTRAINT connector_health_valid CHECK (health IN ('unknown', 'healthy', 'unhealthy')),
    CONSTRAINT workspace_connector_public_id_key UNIQUE (public_id),
    CONSTRAINT workspace_connector_workspace_id_fkey FOREIGN KEY(workspace_id) REFERENCES
        workspace (id)
)
""",
    """
CREATE UNIQUE INDEX one_connector_per_name ON workspace_connector (workspace_id, lower(name))
        WHERE deleted_at IS NULL
""",
    """
CREATE TABLE connector_credential (
    connector_id BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    ciphertext BYTEA NOT NULL,
    nonce BYTEA NOT NULL,
    wrapped_key BYTEA NOT NULL,
    key_version VARCHAR(255) NOT NULL,
    token_version BIGINT DEFAULT '1' NOT NULL,
    expires_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT connector_credential_pkey PRIMARY KEY (connector_id),
    CONSTRAINT credential_in_its_workspace FOREIGN KEY(workspace_id, connector_id) REFERENCES
        workspace_connector (workspace_id, id)
)
""",
    """
CREATE TABLE sync_schedule (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    public_id UUID DEFAULT gen_random_uuid() NOT NULL,
    workspace_id BIGINT NOT NULL,
    connector_id BIGINT NOT NULL,
    name VARCHAR(200) NOT NULL,
    description VARCHAR(2000),
    frequency VARCHAR(16) NOT NULL,
    preferred_time VARCHAR(5),
    preferred_day_of_week VARCHAR(9),
    preferred_day_of_month SMALLINT,
    cron_expression VARCHAR(100),
    timezone VARCHAR(64) NOT NULL,
    is_enabled BOOLEAN DEFAULT true NOT NULL,
    paused_until timestamptz,
    pause_note VARCHAR(500),
    overlap_policy VARCHAR(16) DEFAULT 'skip' NOT NULL,
    missed_run_policy VARCHAR(16) DEFAULT 'run_once' NOT NULL,
    catch_up_window_seconds INTEGER DEFAULT '86400' NOT NULL,
    spread_seconds INTEGER DEFAULT '0' NOT NULL,
    next_scheduled_at timestamptz,
    planned_through timestamptz,
    plan_error VARCHAR(2000),
    last_run_at timestamptz,
    last_run_status VARCHAR(16) DEFAULT 'never_run' NOT NULL,
    last_run_error VARCHAR(2000),
    last_run_records_synced BIGINT,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT sync_schedule_pkey PRIMARY KEY (id),
    CONSTRAINT sync_schedule_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT one_schedule_per_integration UNIQUE (connector_id),
    CONSTRAINT foreign_key_integrity FOREIGN KEY(workspace_id, connector_id) REFERENCES
        workspace_connector (workspace_id, id),
    CONSTRAINT schedule_name_not_blank CHECK (length(btrim(name)) > 0),
    CONSTRAINT valid_frequency_enum CHECK (frequency IN ('manual', 'realtime', 'hourly',
        'daily', 'weekly', 'monthly', 'custom')),
    CONSTRAINT preferred_time_format CHECK (preferred_time ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
    CONSTRAINT preferred_time_where_used CHECK (CASE WHEN frequency IN ('daily', 'weekly',
        'monthly') THEN preferred_time IS NOT NULL WHEN frequency = 'hourly' THEN true ELSE
        preferred_time IS NULL END),
    CONSTRAINT valid_day_of_week_enum CHECK (preferred_day_of_week IN ('monday', 'tuesday',
        'wednesday', 'thursday', 'friday', 'saturday', 'sunday')),
    CONSTRAINT day_of_month_range CHECK (preferred_day_of_month BETWEEN 1 AND 28),
    CONSTRAINT weekly_requires_day_of_week CHECK ((frequency = 'weekly') =
        (preferred_day_of_week IS NOT NULL)),
    CONSTRAINT monthly_requires_day_of_month CHECK ((frequency = 'monthly') =
        (preferred_day_of_month IS NOT NULL)),
    CONSTRAINT custom_requires_cron CHECK ((frequency = 'custom') = (cron_expression IS NOT
        NULL)),
    CONSTRAINT manual_frequency_clears_next_run CHECK (next_scheduled_at IS NULL OR frequency
        NOT IN ('manual', 'realtime')),
    CONSTRAINT disabled_schedule_nulls_next_run CHECK (next_scheduled_at IS NULL OR is_enabled),
    CONSTRAINT set_aside_schedule_nulls_next_run CHECK (next_scheduled_at IS NULL OR
        plan_error IS NULL),
    CONSTRAINT next_run_is_after_the_high_water_mark CHECK (planned_through <
        next_scheduled_at),
    CONSTRAINT overlap_policy_valid CHECK (overlap_policy IN ('skip', 'queue_one')),
    CONSTRAINT missed_run_policy_valid CHECK (missed_run_policy IN ('run_once', 'run_all',
        'skip')),
    CONSTRAINT catch_up_window_range CHECK (catch_up_window_seconds BETWEEN 0 AND 31536000),
    CONSTRAINT spread_range CHECK (spread_seconds BETWEEN 0 AND 86400),
    CONSTRAINT last_run_status_valid_enum CHECK (last_run_status IN ('never_run', 'running',
        'success', 'partial', 'failed')),
    CONSTRAINT error_message_only_on_failure CHECK (last_run_error IS NULL OR last_run_status
        IN ('failed', 'partial')),
    CONSTRAINT sync_schedule_public_id_key UNIQUE (public_id)
)
""",
    """
CREATE INDEX idx_sync_schedule_next_run ON sync_schedule (next_scheduled_at) WHERE
        next_scheduled_at IS NOT NULL
""",
    """
CREATE TABLE workspace_connector_sync_log (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    workspace_connector_sync_log_id UUID DEFAULT gen_random_uuid() NOT NULL,
    workspace_id BIGINT NOT NULL,
    connector_id BIGINT NOT NULL,
    schedule_id BIGINT,
    status VARCHAR(16) DEFAULT 'scheduled' NOT NULL,
    reason VARCHAR(64),
    trigger_type VARCHAR(16) NOT NULL,
    cloud_task_id VARCHAR(255),
    idempotency_key VARCHAR(255) NOT NULL,
    period_at timestamptz,
    period_count INTEGER DEFAULT '1' NOT NULL,
    not_before_at timestamptz NOT NULL,
    attempt INTEGER DEFAULT '0' NOT NULL,
    max_attempts INTEGER DEFAULT '5' NOT NULL,
    next_attempt_at timestamptz,
    task_generation INTEGER DEFAULT '0' NOT NULL,
    admitted_at timestamptz,
    enqueued_at timestamptz,
    lease_expires_at timestamptz,
    fence BIGINT DEFAULT '0' NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    duration_ms BIGINT,
    error VARCHAR(2000),
    records_processed BIGINT,
    records_created BIGINT,
    records_updated BIGINT,
    records_failed BIGINT,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT workspace_connector_sync_log_pkey PRIMARY KEY (id),
    CONSTRAINT workspace_connector_sync_log_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT one_run_per_period UNIQUE (idempotency_key),
    CONSTRAINT run_in_its_workspace FOREIGN KEY(workspace_id, connector_id) REFERENCES
        workspace_connector (workspace_id, id),
    CONSTRAINT run_of_its_schedule FOREIGN KEY(workspace_id, schedule_id) REFERENCES
        sync_schedule (workspace_id, id) ON DELETE SET NULL (schedule_id),
    CONSTRAINT run_status_valid CHECK (status IN ('scheduled', 'in_progress', 'success',
        'error', 'skipped', 'cancelled')),
    CONSTRAINT run_trigger_valid CHECK (trigger_type IN ('cloud_task', 'manual',
        'oauth_callback', 'webhook')),
    CONSTRAINT run_period CHECK ((trigger_type = 'cloud_task') = (period_at IS NOT NULL)),
    CONSTRAINT terminal_status_sets_completed_at CHECK ((status IN ('success', 'error',
        'skipped', 'cancelled')) = (completed_at IS NOT NULL)),
    CONSTRAINT duration_set_with_completed_at CHECK ((started_at IS NOT NULL AND completed_at
        IS NOT NULL) = (duration_ms IS NOT NULL)),
    CONSTRAINT in_progress_has_a_lease CHECK ((status = 'in_progress') = (lease_expires_at IS
        NOT NULL)),
    CONSTRAINT started_when_run CHECK (status <> 'in_progress' OR started_at IS NOT NULL),
    CONSTRAINT every_other_end_has_a_reason CHECK (status NOT IN ('error', 'skipped',
        'cancelled') OR reason IS NOT NULL),
    CONSTRAINT no_error_on_success CHECK (error IS NULL OR status <> 'success'),
    CONSTRAINT attempts_are_bounded CHECK (attempt BETWEEN 0 AND max_attempts),
    CONSTRAINT period_count_range CHECK (period_count >= 1),
    CONSTRAINT workspace_connector_sync_log_workspace_connector_sync_l_4422 UNIQUE
        (workspace_connector_sync_log_id)
)
""",
    """
CREATE UNIQUE INDEX one_run_in_progress_per_connector ON workspace_connector_sync_log
        (connector_id) WHERE status = 'in_progress'
""",
    """
CREATE UNIQUE INDEX one_active_interactive_run_per_connector
        ON workspace_connector_sync_log (connector_id)
        WHERE status IN ('scheduled', 'in_progress') AND trigger_type <> 'cloud_task'
""",
    """
CREATE INDEX run_waiting_of_a_connector ON workspace_connector_sync_log
        (connector_id, not_before_at, id) WHERE status = 'scheduled'
""",
    """
CREATE INDEX run_history_of_a_schedule ON workspace_connector_sync_log (schedule_id, id DESC)
""",
    """
CREATE INDEX run_holding_a_place ON workspace_connector_sync_log (workspace_id,
        not_before_at) WHERE admitted_at IS NOT NULL AND completed_at IS NULL
""",
    """
CREATE INDEX run_under_lease ON workspace_connector_sync_log (lease_expires_at) WHERE status
        = 'in_progress'
""",
    """
CREATE INDEX run_waiting_for_a_place ON workspace_connector_sync_log (workspace_id,
        (trigger_type = 'cloud_task'), not_before_at, id) WHERE status = 'scheduled' AND
        admitted_at IS NULL
""",
    """
CREATE INDEX run_waiting_for_its_task ON workspace_connector_sync_log (not_before_at) WHERE
        status = 'scheduled' AND enqueued_at IS NOT NULL
""",
    """
CREATE INDEX run_wanting_a_task ON workspace_connector_sync_log (admitted_at) WHERE status =
        'scheduled' AND admitted_at IS NOT NULL AND enqueued_at IS NULL
""",
    """
CREATE TABLE sync_log_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    workspace_id BIGINT NOT NULL,
    run_id BIGINT NOT NULL,
    happened_at timestamptz NOT NULL,
    kind VARCHAR(32) NOT NULL,
    detail JSONB DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT sync_log_event_pkey PRIMARY KEY (id),
    CONSTRAINT event_of_its_run FOREIGN KEY(workspace_id, run_id) REFERENCES
        workspace_connector_sync_log (workspace_id, id) ON DELETE CASCADE
)
""",
    """
CREATE INDEX sync_log_event_timeline ON sync_log_event (run_id, id)
""",
    """
CREATE TABLE sync_watermark (
    connector_id BIGINT NOT NULL,
    stream VARCHAR(200) NOT NULL,
    workspace_id BIGINT NOT NULL,
    cursor VARCHAR(200) NOT NULL,
    value JSONB NOT NULL,
    run_id BIGINT NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT sync_watermark_pkey PRIMARY KEY (connector_id, stream),
    CONSTRAINT watermark_in_its_workspace FOREIGN KEY(workspace_id, connector_id) REFERENCES
        workspace_connector (workspace_id, id)
)
""",
    """
CREATE TABLE tick (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    as_of timestamptz NOT NULL,
    completed_at timestamptz,
    rescued INTEGER DEFAULT '0' NOT NULL,
    due INTEGER DEFAULT '0' NOT NULL,
    claimed INTEGER DEFAULT '0' NOT NULL,
    skipped INTEGER DEFAULT '0' NOT NULL,
    set_aside INTEGER DEFAULT '0' NOT NULL,
    enqueued INTEGER DEFAULT '0' NOT NULL,
    enqueue_failures INTEGER DEFAULT '0' NOT NULL,
    drift_ms BIGINT DEFAULT '0' NOT NULL,
    duration_ms BIGINT,
    is_complete BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT tick_pkey PRIMARY KEY (id)
)
""",
    """
CREATE INDEX tick_newest ON tick (as_of DESC)
""",
)

_TOUCH = """
CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$
"""
_TOUCHED = (
    "workspace",
    "api_key",
    "workspace_connector",
    "connector_credential",
    "sync_schedule",
    "workspace_connector_sync_log",
    "sync_watermark",
)


def upgrade() -> None:
    """Create every table, index and trigger."""
    for statement in _STATEMENTS:
        op.execute(statement)
    op.execute(_TOUCH)
    for table in _TOUCHED:
        op.execute(
            f"CREATE TRIGGER touch_updated_at BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION touch_updated_at()"
        )
