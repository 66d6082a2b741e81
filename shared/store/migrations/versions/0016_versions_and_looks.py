"""Versions of workspaces and webhook endpoints, and since when a connector is as it is."""

from alembic import op

revision = "0016"
down_revision = "0015"

_STATEMENTS = (
    "ALTER TABLE workspace ADD COLUMN version INTEGER DEFAULT '1' NOT NULL",
    "ALTER TABLE webhook_endpoint ADD COLUMN version INTEGER DEFAULT '1' NOT NULL",
    """
ALTER TABLE workspace_connector
    ADD COLUMN health_since timestamptz DEFAULT now() NOT NULL,
    ADD COLUMN health_looked_at timestamptz
""",
    """
CREATE FUNCTION note_health_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.health_since := now();
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER note_health_since BEFORE UPDATE OF health ON workspace_connector
FOR EACH ROW WHEN (OLD.health IS DISTINCT FROM NEW.health)
EXECUTE FUNCTION note_health_since()
""",
    "GRANT UPDATE (version) ON workspace TO syncline_app",
    "GRANT UPDATE (health_looked_at) ON workspace_connector TO syncline_app, syncline_system",
)


def upgrade() -> None:
    """Add the columns, and the trigger that keeps one of them."""
    for statement in _STATEMENTS:
        op.execute(statement)
