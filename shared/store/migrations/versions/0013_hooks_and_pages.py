"""Webhook endpoints, retries of runs, and the indexes of pages but for those of the log."""

from alembic import op

from shared.store.migrations.metrics import METRICS
from shared.store.migrations.tenancy import OF_ITS_CONNECTOR, protect_tenant_table

revision = "0013"
down_revision = "0012"

_HOOKS = (
    """
CREATE TABLE webhook_endpoint (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    public_id UUID DEFAULT gen_random_uuid() NOT NULL,
    workspace_id BIGINT NOT NULL,
    connector_id BIGINT NOT NULL,
    name VARCHAR(200) NOT NULL,
    scheme VARCHAR(16) NOT NULL,
    secret_header VARCHAR(64),
    ciphertext BYTEA NOT NULL,
    nonce BYTEA NOT NULL,
    wrapped_key BYTEA NOT NULL,
    key_version VARCHAR(255) NOT NULL,
    previous_until timestamptz,
    oldest_until timestamptz,
    rotated_at timestamptz,
    spent_until timestamptz,
    last_used_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT webhook_endpoint_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_endpoint_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT webhook_endpoint_of_its_connector FOREIGN KEY(workspace_id, connector_id)
        REFERENCES workspace_connector (workspace_id, id),
    CONSTRAINT webhook_endpoint_name_not_blank CHECK (length(btrim(name)) > 0),
    CONSTRAINT webhook_endpoint_scheme_valid CHECK (scheme IN ('standard', 'shared_secret')),
    CONSTRAINT webhook_endpoint_header_where_used CHECK ((scheme = 'shared_secret') =
        (secret_header IS NOT NULL)),
    CONSTRAINT webhook_endpoint_public_id_key UNIQUE (public_id)
)
""",
    "CREATE INDEX webhook_endpoint_of_a_connector ON webhook_endpoint (connector_id, id)",
    """
CREATE TABLE webhook_delivery (
    endpoint_id BIGINT NOT NULL,
    message_hash BYTEA NOT NULL,
    workspace_id BIGINT NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (endpoint_id, message_hash),
    CONSTRAINT webhook_delivery_of_its_endpoint FOREIGN KEY(workspace_id, endpoint_id)
        REFERENCES webhook_endpoint (workspace_id, id) ON DELETE CASCADE
)
""",
    "CREATE INDEX webhook_delivery_expired ON webhook_delivery (expires_at)",
)

_RUNS = (
    """
ALTER TABLE workspace_connector_sync_log
    ADD COLUMN retry_of BIGINT,
    ADD COLUMN nominal_at timestamptz,
    ADD CONSTRAINT retry_of_a_run FOREIGN KEY(workspace_id, retry_of)
        REFERENCES workspace_connector_sync_log (workspace_id, id) ON DELETE SET NULL (retry_of)
        NOT VALID
""",
    """
CREATE INDEX schedule_upcoming_in_a_workspace ON sync_schedule (workspace_id, next_scheduled_at, id)
WHERE next_scheduled_at IS NOT NULL
""",
    """
CREATE INDEX connector_unhealthy ON workspace_connector (workspace_id, id)
WHERE health = 'unhealthy' AND deleted_at IS NULL
""",
)

# Whoever sends a message names its endpoint before it is known whose that is.
_FOUND_BY_ITS_ADDRESS = """
CREATE POLICY found_by_its_address ON webhook_endpoint FOR SELECT TO syncline_app
USING (
    public_id = (SELECT CAST(nullif(current_setting('syncline.endpoint', true), '') AS uuid))
)
"""
_OF_ITS_ENDPOINT = (
    "EXISTS (SELECT FROM webhook_endpoint AS e WHERE e.id = webhook_delivery.endpoint_id)"
)


def upgrade() -> None:
    """Create the tables, columns and indexes."""
    for statement in (*_HOOKS, *_RUNS, *METRICS):
        op.execute(statement)
    protect_tenant_table(
        "webhook_endpoint",
        check=OF_ITS_CONNECTOR.format(table="webhook_endpoint", more=""),
        app="SELECT, INSERT, UPDATE, DELETE",
        system="",
    )
    op.execute(_FOUND_BY_ITS_ADDRESS)
    protect_tenant_table(
        "webhook_delivery",
        check=_OF_ITS_ENDPOINT,
        app="SELECT, INSERT",
        # The dispatcher prunes them; who locks a row needs the right to change a column of it.
        system="SELECT, DELETE, UPDATE (expires_at)",
    )
