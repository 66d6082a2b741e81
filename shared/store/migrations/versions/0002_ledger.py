"""What the ledger needs: blackout policy, zone data version, the last period of a folded gap."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # A note without a pause says nothing.
    "UPDATE sync_schedule SET pause_note = NULL WHERE paused_until IS NULL",
    """
ALTER TABLE sync_schedule
    ADD COLUMN blackout_policy VARCHAR(16) DEFAULT 'skip' NOT NULL,
    ADD COLUMN zone_data_version VARCHAR(16) COLLATE "C" DEFAULT '' NOT NULL,
    ADD CONSTRAINT blackout_policy_valid CHECK (blackout_policy IN ('skip', 'move')),
    ADD CONSTRAINT pause_note_only_on_pause CHECK (pause_note IS NULL OR paused_until IS NOT NULL)
""",
    """
CREATE INDEX schedule_by_zone_data ON sync_schedule (zone_data_version, next_scheduled_at) WHERE
        next_scheduled_at IS NOT NULL
""",
    """
CREATE INDEX schedule_shown_as_running ON sync_schedule (last_run_at) WHERE last_run_status =
        'running'
""",
    """
ALTER TABLE workspace_connector_sync_log
    ADD COLUMN last_period_at timestamptz,
    ADD CONSTRAINT folded_periods CHECK (last_period_at IS NULL OR (period_count > 1 AND
        last_period_at > period_at))
""",
)


def upgrade() -> None:
    """Add the columns, their rules and indexes."""
    for statement in _STATEMENTS:
        op.execute(statement)
