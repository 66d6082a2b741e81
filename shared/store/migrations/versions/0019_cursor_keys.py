"""The key of each workspace by which cursors of its pages are sealed."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Give every workspace a key of its own."""
    op.execute(
        "ALTER TABLE workspace ADD COLUMN cursor_key uuid DEFAULT gen_random_uuid() NOT NULL"
    )
