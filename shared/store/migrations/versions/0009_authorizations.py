"""Authorizations that are under way, and who may renew the tokens of one that was given."""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    """
ALTER TABLE workspace_connector
    ADD COLUMN access_version BIGINT NOT NULL DEFAULT '1'
""",
    """
ALTER TABLE connector_credential
    ADD COLUMN authorized_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN refresh_lease_expires_at TIMESTAMP WITH TIME ZONE
""",
    """
CREATE TABLE oauth_state (
    state_hash BYTEA NOT NULL,
    workspace_id BIGINT NOT NULL,
    connector_id BIGINT NOT NULL,
    access_version BIGINT NOT NULL,
    ciphertext BYTEA NOT NULL,
    nonce BYTEA NOT NULL,
    wrapped_key BYTEA NOT NULL,
    key_version VARCHAR(255) NOT NULL,
    redirect_uri VARCHAR(1000) NOT NULL,
    return_to VARCHAR(500),
    asked_by VARCHAR(200),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT oauth_state_pkey PRIMARY KEY (state_hash),
    CONSTRAINT state_in_its_workspace FOREIGN KEY (workspace_id, connector_id)
        REFERENCES workspace_connector (workspace_id, id)
)
""",
    "CREATE INDEX oauth_state_oldest ON oauth_state (expires_at)",
    "CREATE INDEX oauth_state_of_a_connector ON oauth_state (connector_id)",
)


def upgrade() -> None:
    """Add the columns and the table."""
    for statement in _STATEMENTS:
        op.execute(statement)
