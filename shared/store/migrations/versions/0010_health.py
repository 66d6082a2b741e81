"""Verdicts on a connector name the config they are about; looks go round by workspace."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = (
    "ALTER TABLE workspace_connector ADD COLUMN config_version BIGINT NOT NULL DEFAULT '1'",
    "ALTER TABLE workspace_connector_sync_log ADD COLUMN config_version BIGINT",
    # Spread, so that what is made at once is not looked at at once.
    """
ALTER TABLE workspace_connector
    ALTER COLUMN health_next_check_at
    SET DEFAULT now() + interval '1 day' * (0.5 + 0.5 * random())
""",
    """
CREATE INDEX connector_to_look_at_of_workspace
ON workspace_connector (workspace_id, health_next_check_at)
WHERE status = 'connected' AND deleted_at IS NULL
""",
)


def upgrade() -> None:
    """Let connectors and runs know a version of the config, and make the index."""
    for statement in _STATEMENTS:
        op.execute(statement)
