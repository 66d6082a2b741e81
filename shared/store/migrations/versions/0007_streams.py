"""What became of each stream, and watermarks that a person has set."""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    "ALTER TABLE sync_watermark ALTER COLUMN run_id DROP NOT NULL",
    """
CREATE TABLE connector_stream (
    connector_id BIGINT NOT NULL,
    stream VARCHAR(200) NOT NULL,
    workspace_id BIGINT NOT NULL,
    status VARCHAR(16) NOT NULL,
    error VARCHAR(2000),
    fault VARCHAR(32),
    run_id BIGINT NOT NULL,
    dataset_table VARCHAR(63),
    synced_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT connector_stream_pkey PRIMARY KEY (connector_id, stream),
    CONSTRAINT stream_status_valid CHECK (status IN ('success', 'failed')),
    CONSTRAINT stream_in_its_workspace FOREIGN KEY (workspace_id, connector_id)
        REFERENCES workspace_connector (workspace_id, id)
)
""",
    """
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON connector_stream
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at()
""",
)


def upgrade() -> None:
    """Let a watermark have no run, and create the table."""
    for statement in _STATEMENTS:
        op.execute(statement)
