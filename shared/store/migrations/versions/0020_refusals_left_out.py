"""How many refusals of a caller the audit log has left out, until it says so itself."""

from alembic import op

from shared.store.migrations.tenancy import protect_tenant_table

revision = "0020"
down_revision = "0019"

_TABLE = """
CREATE TABLE refusals_left_out (
    workspace_id BIGINT NOT NULL REFERENCES workspace (id),
    actor_kind VARCHAR(16) NOT NULL,
    actor_id UUID,
    actor_name VARCHAR(200) NOT NULL,
    refusals BIGINT NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT refusals_left_out_of_a_caller UNIQUE NULLS NOT DISTINCT
        (workspace_id, actor_kind, actor_id)
)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_TABLE)
    protect_tenant_table(
        "refusals_left_out",
        app="SELECT, INSERT, DELETE, UPDATE (actor_name, refusals, last_at)",
        system="",
    )
