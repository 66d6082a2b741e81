"""Where sources report changes, which of their messages came already, and what is unread."""

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
    UniqueConstraint,
    func,
)

from shared.store.tables.columns import (
    created_at,
    instant,
    internal_id,
    metadata,
    one_of,
    public_id,
    workspace_id,
)

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    internal_id(),
    public_id(),
    workspace_id(),
    Column("connector_id", BigInteger, nullable=False),
    Column("name", String(200), nullable=False),
    # How its messages prove where they are from.
    Column("scheme", String(16), nullable=False),
    # The header that holds the secret, in lower case, where the scheme is that.
    Column("secret_header", String(64), nullable=True),
    # AES-256-GCM over the secret, the one before it, and the oldest that is still taken; see
    # shared/gcp/sealing.py. Set anew by a rotation and by rekeying.
    Column("ciphertext", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_version", String(255), nullable=False),
    # Until when the secret before the newest is accepted, and the oldest of three; null when there
    # is none.
    instant("previous_until"),
    instant("oldest_until"),
    instant("rotated_at"),
    # When all that it may take in a minute is to spend again; moved on by each message.
    instant("spent_until"),
    # When the newest message came whose sender proved itself.
    instant("last_used_at"),
    # Grows with every change by a person, so that nobody overwrites one that they did not see.
    Column("version", Integer, nullable=False, server_default="1"),
    created_at(),
    UniqueConstraint("workspace_id", "id"),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="webhook_endpoint_of_its_connector",
    ),
    CheckConstraint("length(btrim(name)) > 0", name="webhook_endpoint_name_not_blank"),
    one_of("scheme", ("standard", "shared_secret"), "webhook_endpoint_scheme_valid"),
    CheckConstraint(
        "(scheme = 'shared_secret') = (secret_header IS NOT NULL)",
        name="webhook_endpoint_header_where_used",
    ),
)
Index("webhook_endpoint_of_a_connector", webhook_endpoint.c.connector_id, webhook_endpoint.c.id)

# One row a message, for as long as a copy of it would be taken for news; pruned after expires_at.
webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("endpoint_id", BigInteger, primary_key=True, autoincrement=False),
    # SHA-256 of the sender's id of the message, which may be long and is nobody's business.
    Column("message_hash", LargeBinary, primary_key=True),
    workspace_id(),
    instant("expires_at", required=True),
    ForeignKeyConstraint(
        ["workspace_id", "endpoint_id"],
        ["webhook_endpoint.workspace_id", "webhook_endpoint.id"],
        name="webhook_delivery_of_its_endpoint",
        ondelete="CASCADE",
    ),
)
Index("webhook_delivery_expired", webhook_delivery.c.expires_at)

# A connector whose source reported a change that no run has read: a run that began to read after
# `reported_at`, and has read every stream, deletes the row. Written with each message that counts.
unread_change = Table(
    "unread_change",
    metadata,
    Column("connector_id", BigInteger, primary_key=True, autoincrement=False),
    workspace_id(),
    # When the newest message came.
    instant("reported_at", required=True),
    # When the oldest one came that is unread, or a little before: the begin of a run that read all
    # that came before it, and left some that came after.
    Column("unread_since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # How many runs were written for it that did not read it, with the one under way, since a run
    # succeeded or somebody let the connector run again.
    Column("runs", Integer, nullable=False, server_default="0"),
    # When the dispatcher looks whether a run has to be written; moved on by it, and put back by
    # triggers on what may let the connector run again. 9999-12-31 when it waits for those, or for
    # another message.
    instant("look_at", required=True),
    ForeignKeyConstraint(
        ["workspace_id", "connector_id"],
        ["workspace_connector.workspace_id", "workspace_connector.id"],
        name="unread_change_of_its_connector",
    ),
    CheckConstraint("runs >= 0", name="unread_change_runs_range"),
)
Index("unread_change_to_look_at", unread_change.c.look_at)
Index("unread_changes_of_a_workspace", unread_change.c.workspace_id, unread_change.c.unread_since)
