"""Connectors and their sealed secrets."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.store.tables.columns import (
    created_at,
    instant,
    internal_id,
    metadata,
    one_of,
    public_id,
    updated_at,
    workspace_id,
)

workspace_connector = Table(
    "workspace_connector",
    metadata,
    internal_id(),
    public_id(),
    workspace_id(is_direct=True),
    Column("connector_type", String(63), nullable=False),
    Column("name", String(200), nullable=False),
    # Without secrets: those are sealed in connector_credential.
    Column("config", JSONB, nullable=False),
    # JSON pointers to where in the config its secrets are; set with the config.
    Column("secret_pointers", ARRAY(Text), nullable=False, server_default="{}"),
    Column("status", String(32), nullable=False, server_default="connected"),
    Column("health", String(16), nullable=False, server_default="unknown"),
    Column("health_reason", String(500), nullable=True),
    # When it is looked at again, unless its runs tell of it meanwhile.
    Column(
        "health_next_check_at",
        DateTime(timezone=True),
        nullable=True,
        server_default=text("now() + interval '1 day'"),
    ),
    # Grows with every change by a person, so that nobody overwrites one that they did not see.
    Column("version", Integer, nullable=False, server_default="1"),
    created_at(),
    updated_at(),
    instant("deleted_at"),
    UniqueConstraint("workspace_id", "id"),
    CheckConstraint("connector_type ~ '^[a-z][a-z0-9_]*$'", name="connector_type_form"),
    CheckConstraint("length(btrim(name)) > 0", name="connector_name_not_blank"),
    CheckConstraint("jsonb_typeof(config) = 'object'", name="connector_config_is_object"),
    one_of(
        "status",
        ("pending_authorization", "connected", "needs_reauthorization", "disabled"),
        "connector_status_valid",
    ),
    one_of("health", ("unknown", "healthy", "unhealthy"), "connector_health_valid"),
)
# What nothing was heard of for long.
Index(
    "connector_to_look_at",
    workspace_connector.c.health_next_check_at,
    postgresql_where=text("status = 'connected' AND deleted_at IS NULL"),
)
# What people are told of.
Index(
    "connector_unhealthy",
    workspace_connector.c.workspace_id,
    workspace_connector.c.id,
    postgresql_where=text("health = 'unhealthy' AND deleted_at IS NULL"),
)
Index(
    "one_connector_per_name",
    workspace_connector.c.workspace_id,
    func.lower(workspace_connector.c.name),
    unique=True,
    postgresql_where=workspace_connector.c.deleted_at.is_(None),
)

connector_credential = Table(
    "connector_credential",
    metadata,
    Column("connector_id", BigInteger, primary_key=True, autoincrement=False),
    workspace_id(),
    # AES-256-GCM over a JSON object of secrets; see shared/gcp/sealing.py.
    Column("ciphertext", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    # The data key, wrapped by the key that `key_version` names.
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_version", String(255), nullable=False),
    # Raised by every change of the secrets, so that a refresh can tell that it lost a race.
    Column("token_version", BigInteger, nullable=False, server_default="1"),
    instant("expires_at"),
    created_at(),
    updated_at(),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="credential_in_its_workspace",
    ),
)
