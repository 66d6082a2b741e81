"""Where in a connector's config its secrets are, so that they can be named without being opened."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    "ALTER TABLE workspace_connector ADD COLUMN secret_pointers TEXT[] DEFAULT '{}' NOT NULL",
    # Until now there was one type with one secret.
    """
UPDATE workspace_connector AS c SET secret_pointers = '{/password}'
FROM connector_credential AS k WHERE k.connector_id = c.id
""",
)


def upgrade() -> None:
    """Add the column, filled for the connectors that have a secret."""
    for statement in _STATEMENTS:
        op.execute(statement)
