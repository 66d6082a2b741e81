"""Slices, the attempts that a schedule allows, disabled workspaces, and the living workers."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    "ALTER TABLE workspace ADD COLUMN disabled_at timestamptz",
    """
ALTER TABLE sync_schedule
    ADD COLUMN max_attempts INTEGER DEFAULT '5' NOT NULL,
    ADD CONSTRAINT max_attempts_range CHECK (max_attempts BETWEEN 1 AND 20)
""",
    """
ALTER TABLE workspace_connector_sync_log
    ADD COLUMN leased_at timestamptz,
    ADD COLUMN slices INTEGER DEFAULT '0' NOT NULL,
    ADD COLUMN lost_tasks INTEGER DEFAULT '0' NOT NULL,
    ADD COLUMN throttled_since timestamptz,
    ADD COLUMN positions JSONB DEFAULT '{}'::jsonb NOT NULL,
    ADD CONSTRAINT slices_range CHECK (slices >= 0)
""",
    # What is in progress at this moment counts from its start, as it did before.
    """
UPDATE workspace_connector_sync_log SET leased_at = started_at WHERE status = 'in_progress'
""",
    """
CREATE TABLE worker_instance (
    id UUID NOT NULL,
    started_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT worker_instance_pkey PRIMARY KEY (id)
)
""",
    "CREATE INDEX worker_instance_newest ON worker_instance (last_seen_at DESC)",
)


def upgrade() -> None:
    """Add the columns, their rules and the table of instances."""
    for statement in _STATEMENTS:
        op.execute(statement)
