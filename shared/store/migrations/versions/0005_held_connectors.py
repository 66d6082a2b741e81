"""Runs that keep their connector while its provider asks to be left alone."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    "ALTER TABLE workspace_connector_sync_log ADD COLUMN connector_held_until timestamptz",
    # Whoever waits after a throttled attempt at this moment holds its connector, too.
    """
UPDATE workspace_connector_sync_log SET connector_held_until = next_attempt_at
WHERE status = 'scheduled' AND throttled_since IS NOT NULL
""",
    """
CREATE INDEX run_keeping_its_connector ON workspace_connector_sync_log (connector_id)
WHERE status = 'scheduled' AND (slices > 0 OR connector_held_until IS NOT NULL)
""",
)


def upgrade() -> None:
    """Add the column and its index."""
    for statement in _STATEMENTS:
        op.execute(statement)
