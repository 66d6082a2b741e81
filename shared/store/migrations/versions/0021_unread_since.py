"""Since when what a source reported is unread, for the health of its workspace."""

from alembic import op

revision = "0021"
down_revision = "0020"

# The default is for functions of the version before, which do not name the column.
_STEPS = (
    "ALTER TABLE unread_change ADD COLUMN unread_since timestamptz DEFAULT now() NOT NULL",
    "UPDATE unread_change SET unread_since = reported_at",
    "GRANT UPDATE (unread_since) ON unread_change TO syncline_system",
    "CREATE INDEX unread_changes_of_a_workspace ON unread_change (workspace_id, unread_since)",
    "DROP INDEX unread_change_of_a_workspace",
)


def upgrade() -> None:
    """Add the column, and let the index of a workspace's changes find the oldest."""
    for statement in _STEPS:
        op.execute(statement)
