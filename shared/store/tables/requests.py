"""What the API remembers of requests: those that may be repeated, and how many triggers."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.store.tables.columns import instant, metadata, workspace_id

# A request with an Idempotency-Key, and its answer. Written by the api, pruned by the dispatcher.
repeatable_request = Table(
    "repeatable_request",
    metadata,
    workspace_id(is_direct=True),
    Column("operation", String(64), nullable=False),
    # SHA-256 of the key, and the HMAC of path and body under it: the key itself, which is nowhere,
    # keeps a password in a body from being guessed.
    Column("key_hash", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    # The identifier of what the request makes: whoever takes it over makes the same thing.
    Column("resource_id", Uuid, nullable=False),
    # How often it was taken on; the answer of an earlier one is not stored.
    Column("claims", Integer, nullable=False, server_default="1"),
    # Until then nobody else takes it on.
    instant("locked_until", required=True),
    # The answer, once there is one.
    Column("status", SmallInteger, nullable=True),
    Column("headers", JSONB, nullable=True),
    Column("body", Text, nullable=True),
    instant("expires_at", required=True),
    PrimaryKeyConstraint("workspace_id", "operation", "key_hash"),
    CheckConstraint(
        "num_nonnulls(status, headers, body) IN (0, 3)", name="repeatable_request_answer_is_whole"
    ),
)
Index("repeatable_request_to_prune", repeatable_request.c.expires_at)

# The manual triggers that a workspace has spent; see shared/store/sql/spend_triggers.sql.
trigger_allowance = Table(
    "trigger_allowance",
    metadata,
    workspace_id(is_direct=True),
    # When what was spent will have been given back; in the past, nothing is owed.
    instant("spent_until", required=True),
    PrimaryKeyConstraint("workspace_id"),
)
