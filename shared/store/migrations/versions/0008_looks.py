"""Connectors of which nothing was heard for long are looked at."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    """
ALTER TABLE workspace_connector
    ALTER COLUMN health_next_check_at SET DEFAULT now() + interval '1 day'
""",
    # Spread over a day, so that they do not come at once.
    "UPDATE workspace_connector SET health_next_check_at = now() + random() * interval '1 day'",
    """
CREATE INDEX connector_to_look_at ON workspace_connector (health_next_check_at)
WHERE status = 'connected' AND deleted_at IS NULL
""",
)


def upgrade() -> None:
    """Let every connector have an instant for its next look, and an index to find those due."""
    for statement in _STATEMENTS:
        op.execute(statement)
