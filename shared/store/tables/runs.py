"""What became of every period and every trigger, and the timeline of each run."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

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

sync_log = Table(
    "workspace_connector_sync_log",
    metadata,
    internal_id(),
    public_id("workspace_connector_sync_log_id"),
    workspace_id(),
    Column("connector_id", BigInteger, nullable=False),
    # Null after its schedule was deleted.
    Column("schedule_id", BigInteger, nullable=True),
    Column("status", String(16), nullable=False, server_default="scheduled"),
    # A code for every end but plain success.
    Column("reason", String(64), nullable=True),
    Column("trigger_type", String(16), nullable=False),
    # The full name of the newest task; set by whoever enqueued it.
    Column("cloud_task_id", String(255), nullable=True),
    Column("idempotency_key", String(255), nullable=False),
    # The nominal instant; null for runs that no schedule named.
    instant("period_at"),
    # How many periods the row stands for; above 1 only for a long gap that was skipped, of which
    # period_at is the first and last_period_at the last.
    Column("period_count", Integer, nullable=False, server_default="1"),
    instant("last_period_at"),
    instant("not_before_at", required=True),
    # Attempts that count: raised by each lease, put back to 0 by a slice that got on, and lowered
    # where a provider asked for a pause.
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False, server_default="5"),
    # When a run that waits for another attempt is tried again.
    instant("next_attempt_at"),
    # Raised whenever a new task is wanted for the same run, so that its name is new too.
    Column("task_generation", Integer, nullable=False, server_default="0"),
    # Tasks that were lost in a row; put back to 0 by the lease.
    Column("lost_tasks", Integer, nullable=False, server_default="0"),
    # Since when a provider asks for pauses; cleared by a slice that got on.
    instant("throttled_since"),
    # Until when a waiting run keeps its connector from every other: its provider asked for it.
    instant("connector_held_until"),
    # Since when the run holds a place of its workspace; null while it waits for one.
    instant("admitted_at"),
    # When Cloud Tasks took the newest task; null until it did.
    instant("enqueued_at"),
    instant("lease_expires_at"),
    # When the newest attempt began.
    instant("leased_at"),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    # The version of the connector's config that the newest attempt works with; set by lease.
    Column("config_version", BigInteger, nullable=True),
    # Slices that are committed, and where the next goes on, by stream; moved by record together.
    Column("slices", Integer, nullable=False, server_default="0"),
    Column("positions", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    instant("started_at"),
    instant("completed_at"),
    Column("duration_ms", BigInteger, nullable=True),
    Column("error", String(2000), nullable=True),
    Column("records_processed", BigInteger, nullable=True),
    Column("records_created", BigInteger, nullable=True),
    Column("records_updated", BigInteger, nullable=True),
    Column("records_failed", BigInteger, nullable=True),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    created_at(),
    updated_at(),
    instant("deleted_at"),
    # The run that this one repeats, and the instant that it is about where that is not its own.
    Column("retry_of", BigInteger, nullable=True),
    instant("nominal_at"),
    # When the attempt began that read the source from the watermarks on: what was reported before
    # is read when the run succeeds. Set by each lease of a run that has read nothing yet.
    instant("reading_since"),
    UniqueConstraint("workspace_id", "id"),
    UniqueConstraint("idempotency_key", name="one_run_per_period"),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="run_in_its_workspace",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "schedule_id"],
        ["sync_schedule.workspace_id", "sync_schedule.id"],
        name="run_of_its_schedule",
        ondelete="SET NULL (schedule_id)",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "retry_of"],
        ["workspace_connector_sync_log.workspace_id", "workspace_connector_sync_log.id"],
        name="retry_of_a_run",
        ondelete="SET NULL (retry_of)",
    ),
    one_of(
        "status",
        ("scheduled", "in_progress", "success", "error", "skipped", "cancelled"),
        "run_status_valid",
    ),
    one_of(
        "trigger_type", ("cloud_task", "manual", "oauth_callback", "webhook"), "run_trigger_valid"
    ),
    CheckConstraint("(trigger_type = 'cloud_task') = (period_at IS NOT NULL)", name="run_period"),
    CheckConstraint(
        "(status IN ('success', 'error', 'skipped', 'cancelled')) = (completed_at IS NOT NULL)",
        name="terminal_status_sets_completed_at",
    ),
    CheckConstraint(
        "(started_at IS NOT NULL AND completed_at IS NOT NULL) = (duration_ms IS NOT NULL)",
        name="duration_set_with_completed_at",
    ),
    CheckConstraint(
        "(status = 'in_progress') = (lease_expires_at IS NOT NULL)", name="in_progress_has_a_lease"
    ),
    CheckConstraint("status <> 'in_progress' OR started_at IS NOT NULL", name="started_when_run"),
    CheckConstraint(
        "status NOT IN ('error', 'skipped', 'cancelled') OR reason IS NOT NULL",
        name="every_other_end_has_a_reason",
    ),
    CheckConstraint("error IS NULL OR status <> 'success'", name="no_error_on_success"),
    CheckConstraint("attempt BETWEEN 0 AND max_attempts", name="attempts_are_bounded"),
    CheckConstraint("slices >= 0", name="slices_range"),
    CheckConstraint("period_count >= 1", name="period_count_range"),
    CheckConstraint(
        "last_period_at IS NULL OR (period_count > 1 AND last_period_at > period_at)",
        name="folded_periods",
    ),
)
Index(
    "one_run_in_progress_per_connector",
    sync_log.c.connector_id,
    unique=True,
    postgresql_where=text("status = 'in_progress'"),
)
# Whoever asks while one is active is told of it; and a run that is taken back cannot meet another.
Index(
    "one_active_interactive_run_per_connector",
    sync_log.c.connector_id,
    unique=True,
    postgresql_where=text(
        "status IN ('scheduled', 'in_progress') AND trigger_type IN ('manual', 'oauth_callback')"
    ),
)
# Beside the run that reads, one more may wait, for what changed since the other began.
Index(
    "one_waiting_webhook_run_per_connector",
    sync_log.c.connector_id,
    unique=True,
    postgresql_where=text(
        "status = 'scheduled' AND trigger_type = 'webhook' AND started_at IS NULL"
    ),
)
# What waits for a connector while its run is in progress.
Index(
    "run_waiting_of_a_connector",
    sync_log.c.connector_id,
    sync_log.c.not_before_at,
    sync_log.c.id,
    postgresql_where=text("status = 'scheduled'"),
)
# What keeps its connector while it waits.
Index(
    "run_keeping_its_connector",
    sync_log.c.connector_id,
    postgresql_where=text(
        "status = 'scheduled' AND (slices > 0 OR connector_held_until IS NOT NULL)"
    ),
)
# Admission walks it workspace by workspace: interactive runs first, then by instant.
Index(
    "run_waiting_for_a_place",
    sync_log.c.workspace_id,
    text("(trigger_type = 'cloud_task')"),
    sync_log.c.not_before_at,
    sync_log.c.id,
    postgresql_where=text("status = 'scheduled' AND admitted_at IS NULL"),
)
# What admission and lease count.
Index(
    "run_holding_a_place",
    sync_log.c.workspace_id,
    sync_log.c.not_before_at,
    postgresql_where=text("admitted_at IS NOT NULL AND completed_at IS NULL"),
)
# What rescue looks for: a task that was never made, was lost, or a lease that ran out.
Index(
    "run_wanting_a_task",
    sync_log.c.admitted_at,
    postgresql_where=text(
        "status = 'scheduled' AND admitted_at IS NOT NULL AND enqueued_at IS NULL"
    ),
)
Index(
    "run_waiting_for_its_task",
    sync_log.c.not_before_at,
    postgresql_where=text("status = 'scheduled' AND enqueued_at IS NOT NULL"),
)
Index(
    "run_under_lease",
    sync_log.c.lease_expires_at,
    postgresql_where=text("status = 'in_progress'"),
)
# Pages of the log, newest first, by the filter that leaves least; see shared/store/run_pages.py.
_NEWEST_FIRST = (desc(sync_log.c.created_at), desc(sync_log.c.id))
Index("run_history_of_a_schedule", sync_log.c.schedule_id, *_NEWEST_FIRST)
Index("run_history_of_a_connector", sync_log.c.connector_id, *_NEWEST_FIRST)
Index("run_history_of_a_workspace", sync_log.c.workspace_id, *_NEWEST_FIRST)
# Two for the statuses. Whoever looks for the waiting run of a connector does not say that it has
# not completed: no plan can take the index of a workspace for it, and read all that wait there.
Index(
    "run_history_by_status",
    sync_log.c.workspace_id,
    sync_log.c.status,
    *_NEWEST_FIRST,
    postgresql_where=text("status IN ('error', 'skipped', 'cancelled')"),
)
Index(
    "run_history_of_unfinished",
    sync_log.c.workspace_id,
    sync_log.c.status,
    *_NEWEST_FIRST,
    postgresql_where=sync_log.c.completed_at.is_(None),
)
Index(
    "run_history_by_reason",
    sync_log.c.workspace_id,
    sync_log.c.reason,
    *_NEWEST_FIRST,
    postgresql_where=sync_log.c.reason.is_not(None),
)
Index(
    "run_history_by_trigger",
    sync_log.c.workspace_id,
    sync_log.c.trigger_type,
    *_NEWEST_FIRST,
    postgresql_where=text("trigger_type <> 'cloud_task'"),
)
# Where a deleted run has to be forgotten as the one that was repeated.
Index(
    "run_repeated",
    sync_log.c.workspace_id,
    sync_log.c.retry_of,
    postgresql_where=sync_log.c.retry_of.is_not(None),
)

sync_log_event = Table(
    "sync_log_event",
    metadata,
    internal_id(),
    workspace_id(),
    Column("run_id", BigInteger, nullable=False),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    ForeignKeyConstraint(
        ["workspace_id", "run_id"],
        ["workspace_connector_sync_log.workspace_id", "workspace_connector_sync_log.id"],
        name="event_of_its_run",
        ondelete="CASCADE",
    ),
)
Index("sync_log_event_timeline", sync_log_event.c.run_id, sync_log_event.c.id)
