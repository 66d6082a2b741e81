"""The API's promises: versions of what people change, repeated requests, the rate of triggers."""

from alembic import op

from shared.store.migrations.tenancy import protect_tenant_table

revision = "0012"
down_revision = "0011"

_STATEMENTS = (
    "ALTER TABLE workspace_connector ADD COLUMN version INTEGER DEFAULT '1' NOT NULL",
    "ALTER TABLE sync_schedule ADD COLUMN version INTEGER DEFAULT '1' NOT NULL",
    """
ALTER TABLE workspace
    ADD COLUMN manual_triggers_per_minute INTEGER DEFAULT '60' NOT NULL,
    ADD CONSTRAINT workspace_trigger_rate_range
        CHECK (manual_triggers_per_minute BETWEEN 1 AND 100000)
""",
    """
CREATE TABLE trigger_allowance (
    workspace_id BIGINT NOT NULL,
    spent_until timestamptz NOT NULL,
    CONSTRAINT trigger_allowance_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT trigger_allowance_workspace_id_fkey FOREIGN KEY(workspace_id) REFERENCES
        workspace (id)
)
""",
    """
CREATE TABLE repeatable_request (
    workspace_id BIGINT NOT NULL,
    operation VARCHAR(64) NOT NULL,
    key_hash BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    resource_id UUID NOT NULL,
    claims INTEGER DEFAULT '1' NOT NULL,
    locked_until timestamptz NOT NULL,
    status SMALLINT,
    headers JSONB,
    body TEXT,
    expires_at timestamptz NOT NULL,
    CONSTRAINT repeatable_request_pkey PRIMARY KEY (workspace_id, operation, key_hash),
    CONSTRAINT repeatable_request_answer_is_whole
        CHECK (num_nonnulls(status, headers, body) IN (0, 3)),
    CONSTRAINT repeatable_request_workspace_id_fkey FOREIGN KEY(workspace_id) REFERENCES
        workspace (id)
)
""",
    "CREATE INDEX repeatable_request_to_prune ON repeatable_request (expires_at)",
)


def upgrade() -> None:
    """Add the columns and create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
    op.execute("GRANT UPDATE (manual_triggers_per_minute) ON workspace TO syncline_app")
    op.execute("GRANT UPDATE (version) ON workspace_connector TO syncline_app")
    protect_tenant_table("trigger_allowance", app="SELECT, INSERT, UPDATE", system="")
    protect_tenant_table(
        "repeatable_request",
        app="SELECT, INSERT, UPDATE, DELETE",
        # The dispatcher prunes them; who locks a row needs the right to change a column of it.
        system="SELECT (workspace_id, operation, key_hash, expires_at), DELETE,"
        " UPDATE (locked_until)",
    )
