"""Connectors, their sealed secrets, and the authorizations that are under way."""

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
    Uuid,
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
    # Raised by every change of the config and by every authorization: a verdict on what was before
    # does not count.
    Column("config_version", BigInteger, nullable=False, server_default="1"),
    # Raised by a change of more than the streams: a grant is for the settings that it was given
    # for, and its tokens go nowhere else.
    Column("access_version", BigInteger, nullable=False, server_default="1"),
    Column("health", String(16), nullable=False, server_default="unknown"),
    Column("health_reason", String(500), nullable=True),
    # Set by the trigger `note_health_since` when the health becomes another one.
    Column("health_since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # When it was last looked at; set by looks, and not by runs.
    instant("health_looked_at"),
    # When it is looked at, unless a run tells of it before; moved by record, by looks, and by a
    # change of the config.
    Column(
        "health_next_check_at",
        DateTime(timezone=True),
        nullable=True,
        server_default=text("now() + interval '1 day' * (0.5 + 0.5 * random())"),
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
# The same, workspace by workspace.
Index(
    "connector_to_look_at_of_workspace",
    workspace_connector.c.workspace_id,
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
    # AES-256-GCM over a JSON object of secrets, and of the tokens of its grant, if a person has
    # authorized it; see shared/gcp/sealing.py and shared/flow/grants.py.
    Column("ciphertext", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    # The data key, wrapped by the key that `key_version` names.
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_version", String(255), nullable=False),
    # Raised by every change of the secrets, so that a refresh can tell that it lost a race. A row
    # that is made anew begins anew: access_version is another one then.
    Column("token_version", BigInteger, nullable=False, server_default="1"),
    # When the access token of the grant ends, if the provider said so; set with it.
    instant("expires_at"),
    # When a person authorized the connector; null while there is no grant.
    instant("authorized_at"),
    # Until when one worker alone may renew the tokens; null while none does. One that has passed
    # tells that a renewal was cut off.
    instant("refresh_lease_expires_at"),
    created_at(),
    updated_at(),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="credential_in_its_workspace",
    ),
)

# An authorization that was begun: made by the api, used once by oauth_callback.
oauth_state = Table(
    "oauth_state",
    metadata,
    # SHA-256 of the state: 256 random bits, which only the browser and the provider know.
    Column("state_hash", LargeBinary, primary_key=True),
    workspace_id(),
    Column("connector_id", BigInteger, nullable=False),
    # That of the connector when it was begun: the code is exchanged with these settings alone.
    Column("access_version", BigInteger, nullable=False),
    # The PKCE verifier, sealed as secrets are.
    Column("ciphertext", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_version", String(255), nullable=False),
    Column("redirect_uri", String(1000), nullable=False),
    # The path of ours to which the browser goes in the end; null for a page of our own.
    Column("return_to", String(500), nullable=True),
    # The name by which people know who asked, if it has one.
    Column("asked_by", String(200), nullable=True),
    # What kind of caller that was, and its public id: the actor of what the callback changes.
    Column("asked_by_kind", String(16), nullable=True),
    Column("asked_by_id", Uuid, nullable=True),
    instant("expires_at", required=True),
    # Set by the callback that uses it; every other one is refused.
    instant("used_at"),
    created_at(),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="state_in_its_workspace",
    ),
)
Index("oauth_state_oldest", oauth_state.c.expires_at)
Index("oauth_state_of_a_connector", oauth_state.c.connector_id)
