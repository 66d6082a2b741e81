"""Changes that sources reported and no run has read."""

from alembic import op

from shared.store.migrations.tenancy import OF_ITS_CONNECTOR, protect_tenant_table

revision = "0018"
down_revision = "0017"

_TABLE = (
    "ALTER TABLE workspace_connector_sync_log ADD COLUMN reading_since timestamptz",
    "GRANT UPDATE (reading_since) ON workspace_connector_sync_log TO syncline_system",
    """
CREATE TABLE unread_change (
    connector_id BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    reported_at timestamptz NOT NULL,
    runs INTEGER DEFAULT '0' NOT NULL,
    look_at timestamptz NOT NULL,
    CONSTRAINT unread_change_pkey PRIMARY KEY (connector_id),
    CONSTRAINT unread_change_of_its_connector FOREIGN KEY(workspace_id, connector_id)
        REFERENCES workspace_connector (workspace_id, id),
    CONSTRAINT unread_change_runs_range CHECK (runs >= 0)
)
""",
    "CREATE INDEX unread_change_to_look_at ON unread_change (look_at)",
    "CREATE INDEX unread_change_of_a_workspace ON unread_change (workspace_id)",
)

# Whatever lets a connector run again, the next tick looks at what waited for it: no way by which
# somebody does so can forget it. Only in that direction: who disables or deletes waits for nobody
# who takes a message at this moment.
_WAKE = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE unread_change SET look_at = reported_at, runs = 0 WHERE {column} = NEW.{key};
    RETURN NULL;
END $$
"""
_WAKERS = (
    _WAKE.format(name="look_at_unread_of_schedule", column="connector_id", key="connector_id"),
    """
CREATE TRIGGER look_at_unread_change AFTER UPDATE OF is_enabled, paused_until, frequency
ON sync_schedule FOR EACH ROW WHEN (
    NEW.is_enabled
    AND (OLD.is_enabled, OLD.paused_until, OLD.frequency)
        IS DISTINCT FROM (NEW.is_enabled, NEW.paused_until, NEW.frequency)
)
EXECUTE FUNCTION look_at_unread_of_schedule()
""",
    _WAKE.format(name="look_at_unread_of_connector", column="connector_id", key="id"),
    """
CREATE TRIGGER look_at_unread_change AFTER UPDATE OF status, config_version, access_version
ON workspace_connector FOR EACH ROW WHEN (
    NEW.status = 'connected'
    AND NEW.deleted_at IS NULL
    AND (OLD.status, OLD.config_version, OLD.access_version)
        IS DISTINCT FROM (NEW.status, NEW.config_version, NEW.access_version)
)
EXECUTE FUNCTION look_at_unread_of_connector()
""",
    _WAKE.format(name="look_at_unread_of_workspace", column="workspace_id", key="id"),
    """
CREATE TRIGGER look_at_unread_changes AFTER UPDATE OF disabled_at
ON workspace FOR EACH ROW WHEN (OLD.disabled_at IS NOT NULL AND NEW.disabled_at IS NULL)
EXECUTE FUNCTION look_at_unread_of_workspace()
""",
)


def upgrade() -> None:
    """Create the table, and the triggers that let the dispatcher look at it in time."""
    for statement in _TABLE:
        op.execute(statement)
    protect_tenant_table(
        "unread_change",
        check=OF_ITS_CONNECTOR.format(table="unread_change", more=""),
        app="SELECT, INSERT, DELETE, UPDATE (reported_at, runs, look_at)",
        system="SELECT, DELETE, UPDATE (runs, look_at)",
    )
    for statement in _WAKERS:
        op.execute(statement)
