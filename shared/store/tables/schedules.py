"""When each connector is synced."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

from shared.store.tables.columns import (
    created_at,
    instant,
    internal_id,
    metadata,
    one_of,
    public_id,
    updated_at,
    workspace_id,
)

sync_schedule = Table(
    "sync_schedule",
    metadata,
    internal_id(),
    public_id(),
    workspace_id(),
    Column("connector_id", BigInteger, nullable=False),
    Column("name", String(200), nullable=False),
    Column("description", String(2000), nullable=True),
    Column("frequency", String(16), nullable=False),
    Column("preferred_time", String(5), nullable=True),
    Column("preferred_day_of_week", String(9), nullable=True),
    Column("preferred_day_of_month", SmallInteger, nullable=True),
    Column("cron_expression", String(100), nullable=True),
    Column("timezone", String(64), nullable=False),
    Column("is_enabled", Boolean, nullable=False, server_default=text("true")),
    # Periods before it are skipped; 9999-12-31 when only a person ends the pause.
    instant("paused_until"),
    Column("pause_note", String(500), nullable=True),
    Column("overlap_policy", String(16), nullable=False, server_default="skip"),
    Column("missed_run_policy", String(16), nullable=False, server_default="run_once"),
    Column("catch_up_window_seconds", Integer, nullable=False, server_default="86400"),
    Column("spread_seconds", Integer, nullable=False, server_default="0"),
    # How often a run is tried before it ends as failed; copied into each run.
    Column("max_attempts", Integer, nullable=False, server_default="5"),
    # What becomes of periods within a blackout window of the workspace.
    Column("blackout_policy", String(16), nullable=False, server_default="skip"),
    # The first period that has no run row yet; moved by the dispatcher with planned_through.
    instant("next_scheduled_at"),
    # The high-water mark: every period up to it has a run row.
    instant("planned_through"),
    # The version of the zone data that next_scheduled_at was computed with; moved with it.
    Column("zone_data_version", String(16, collation="C"), nullable=False, server_default=""),
    # Why the dispatcher set the schedule aside; cleared by the next edit.
    Column("plan_error", String(2000), nullable=True),
    # The last_run columns are written by the worker with the run itself.
    instant("last_run_at"),
    Column("last_run_status", String(16), nullable=False, server_default="never_run"),
    Column("last_run_error", String(2000), nullable=True),
    Column("last_run_records_synced", BigInteger, nullable=True),
    # Grows with every change by a person, so that nobody overwrites one that they did not see.
    Column("version", Integer, nullable=False, server_default="1"),
    created_at(),
    updated_at(),
    UniqueConstraint("workspace_id", "id"),
    UniqueConstraint("connector_id", name="one_schedule_per_integration"),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="foreign_key_integrity",
    ),
    CheckConstraint("length(btrim(name)) > 0", name="schedule_name_not_blank"),
    one_of(
        "frequency",
        ("manual", "realtime", "hourly", "daily", "weekly", "monthly", "custom"),
        "valid_frequency_enum",
    ),
    CheckConstraint(
        "preferred_time ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'", name="preferred_time_format"
    ),
    CheckConstraint(
        "CASE WHEN frequency IN ('daily', 'weekly', 'monthly') THEN preferred_time IS NOT NULL"
        " WHEN frequency = 'hourly' THEN true ELSE preferred_time IS NULL END",
        name="preferred_time_where_used",
    ),
    one_of(
        "preferred_day_of_week",
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        "valid_day_of_week_enum",
    ),
    CheckConstraint("preferred_day_of_month BETWEEN 1 AND 28", name="day_of_month_range"),
    CheckConstraint(
        "(frequency = 'weekly') = (preferred_day_of_week IS NOT NULL)",
        name="weekly_requires_day_of_week",
    ),
    CheckConstraint(
        "(frequency = 'monthly') = (preferred_day_of_month IS NOT NULL)",
        name="monthly_requires_day_of_month",
    ),
    CheckConstraint(
        "(frequency = 'custom') = (cron_expression IS NOT NULL)", name="custom_requires_cron"
    ),
    CheckConstraint(
        "next_scheduled_at IS NULL OR frequency NOT IN ('manual', 'realtime')",
        name="manual_frequency_clears_next_run",
    ),
    CheckConstraint(
        "next_scheduled_at IS NULL OR is_enabled", name="disabled_schedule_nulls_next_run"
    ),
    CheckConstraint(
        "next_scheduled_at IS NULL OR plan_error IS NULL", name="set_aside_schedule_nulls_next_run"
    ),
    CheckConstraint(
        "planned_through < next_scheduled_at", name="next_run_is_after_the_high_water_mark"
    ),
    one_of("overlap_policy", ("skip", "queue_one"), "overlap_policy_valid"),
    one_of("missed_run_policy", ("run_once", "run_all", "skip"), "missed_run_policy_valid"),
    one_of("blackout_policy", ("skip", "move"), "blackout_policy_valid"),
    CheckConstraint(
        "pause_note IS NULL OR paused_until IS NOT NULL", name="pause_note_only_on_pause"
    ),
    CheckConstraint("catch_up_window_seconds BETWEEN 0 AND 31536000", name="catch_up_window_range"),
    CheckConstraint("max_attempts BETWEEN 1 AND 20", name="max_attempts_range"),
    CheckConstraint("spread_seconds BETWEEN 0 AND 86400", name="spread_range"),
    one_of(
        "last_run_status",
        ("never_run", "running", "success", "partial", "failed"),
        "last_run_status_valid_enum",
    ),
    CheckConstraint(
        "last_run_error IS NULL OR last_run_status IN ('failed', 'partial')",
        name="error_message_only_on_failure",
    ),
)
Index(
    "idx_sync_schedule_next_run",
    sync_schedule.c.next_scheduled_at,
    postgresql_where=sync_schedule.c.next_scheduled_at.is_not(None),
)
# What was computed with older zone data, soonest first.
Index(
    "schedule_by_zone_data",
    sync_schedule.c.zone_data_version,
    sync_schedule.c.next_scheduled_at,
    postgresql_where=sync_schedule.c.next_scheduled_at.is_not(None),
)
# What the guard against runs that show as running for ever looks at.
Index(
    "schedule_shown_as_running",
    sync_schedule.c.last_run_at,
    postgresql_where=text("last_run_status = 'running'"),
)
# What a workspace runs next.
Index(
    "schedule_upcoming_in_a_workspace",
    sync_schedule.c.workspace_id,
    sync_schedule.c.next_scheduled_at,
    sync_schedule.c.id,
    postgresql_where=sync_schedule.c.next_scheduled_at.is_not(None),
)
