"""The indexes of pages of the log, and the references of rows that were there before them."""

from alembic import op

from shared.store.migrations.indexes import NewIndex, build_indexes, replace_index

revision = "0017"
down_revision = "0016"

# Runs could be deleted without their traces so far.
_FORGET_DELETED_RUNS = """
UPDATE {table} AS t SET run_id = NULL
WHERE t.run_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = t.workspace_id AND r.id = t.run_id
)
"""
_REFERENCES = (
    _FORGET_DELETED_RUNS.format(table="sync_watermark"),
    _FORGET_DELETED_RUNS.format(table="connector_stream"),
    "ALTER TABLE sync_watermark VALIDATE CONSTRAINT watermark_of_its_run",
    "ALTER TABLE connector_stream VALIDATE CONSTRAINT stream_of_its_run",
    "ALTER TABLE workspace_connector_sync_log VALIDATE CONSTRAINT retry_of_a_run",
)
_LOG = "workspace_connector_sync_log"
_INDEXES = (
    # A waiting run of a webhook is not in the way of one that a person asks for.
    NewIndex(
        "one_active_interactive_run_to_be",
        f"{_LOG} (connector_id) WHERE status IN ('scheduled', 'in_progress')"
        " AND trigger_type IN ('manual', 'oauth_callback')",
        is_unique=True,
    ),
    NewIndex(
        "one_waiting_webhook_run_per_connector",
        f"{_LOG} (connector_id)"
        " WHERE status = 'scheduled' AND trigger_type = 'webhook' AND started_at IS NULL",
        is_unique=True,
    ),
    NewIndex(
        "run_history_of_a_schedule_to_be",
        f"{_LOG} (schedule_id, created_at DESC, id DESC)",
    ),
    NewIndex("run_history_of_a_connector", f"{_LOG} (connector_id, created_at DESC, id DESC)"),
    NewIndex("run_history_of_a_workspace", f"{_LOG} (workspace_id, created_at DESC, id DESC)"),
    NewIndex(
        "run_history_by_status",
        f"{_LOG} (workspace_id, status, created_at DESC, id DESC)"
        " WHERE status IN ('error', 'skipped', 'cancelled')",
    ),
    NewIndex(
        "run_history_of_unfinished",
        f"{_LOG} (workspace_id, status, created_at DESC, id DESC) WHERE completed_at IS NULL",
    ),
    NewIndex(
        "run_history_by_reason",
        f"{_LOG} (workspace_id, reason, created_at DESC, id DESC) WHERE reason IS NOT NULL",
    ),
    NewIndex(
        "run_history_by_trigger",
        f"{_LOG} (workspace_id, trigger_type, created_at DESC, id DESC)"
        " WHERE trigger_type <> 'cloud_task'",
    ),
    NewIndex("run_repeated", f"{_LOG} (workspace_id, retry_of) WHERE retry_of IS NOT NULL"),
)


def upgrade() -> None:
    """See to the rows that are there, build the indexes, and let two replace older ones."""
    for statement in _REFERENCES:
        op.execute(statement)
    build_indexes(_INDEXES)
    replace_index(
        "one_active_interactive_run_per_connector", successor="one_active_interactive_run_to_be"
    )
    replace_index("run_history_of_a_schedule", successor="run_history_of_a_schedule_to_be")
