"""Workspaces and the keys that speak for them."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

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

workspace = Table(
    "workspace",
    metadata,
    internal_id(),
    public_id(),
    Column("slug", String(63), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    # The zone of schedules that name none.
    Column("timezone", String(64), nullable=False, server_default="Europe/Oslo"),
    # How many runs may hold a place at once; kept by admission and again by the lease.
    Column("max_concurrent_syncs", Integer, nullable=False, server_default="5"),
    Column("minimum_interval_seconds", Integer, nullable=False, server_default="60"),
    # How often a minute, and at once, people and programs may start runs by hand.
    Column("manual_triggers_per_minute", Integer, nullable=False, server_default="60"),
    Column("retention_days", Integer, nullable=False, server_default="90"),
    created_at(),
    updated_at(),
    # While it is set, nothing of the workspace is planned or started; set by an operator.
    instant("disabled_at"),
    instant("deleted_at"),
    CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]*$'", name="workspace_slug_form"),
    CheckConstraint("length(btrim(name)) > 0", name="workspace_name_not_blank"),
    CheckConstraint("max_concurrent_syncs BETWEEN 1 AND 1000", name="workspace_concurrency_range"),
    CheckConstraint("minimum_interval_seconds >= 60", name="workspace_minimum_interval_range"),
    CheckConstraint(
        "manual_triggers_per_minute BETWEEN 1 AND 100000", name="workspace_trigger_rate_range"
    ),
    CheckConstraint("retention_days >= 1", name="workspace_retention_range"),
)

api_key = Table(
    "api_key",
    metadata,
    internal_id(),
    public_id(),
    workspace_id(is_direct=True),
    Column("name", String(200), nullable=False),
    # The part of the key that may be shown; the key is found by it.
    Column("prefix", String(16), nullable=False, unique=True),
    # SHA-256 of the secret part: 256 random bits need no salt and no stretching.
    Column("secret_hash", LargeBinary, nullable=False),
    Column("role", String(16), nullable=False),
    instant("expires_at"),
    # Moved at most once a minute by the api, so that reading stays reading.
    instant("last_used_at"),
    instant("revoked_at"),
    created_at(),
    updated_at(),
    one_of("role", ("viewer", "editor", "admin"), "api_key_role_valid"),
    UniqueConstraint("workspace_id", "id"),
)
