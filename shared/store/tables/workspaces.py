"""Workspaces, and who speaks for them: keys of programs, and people."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    text,
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
    # Grows with every change of settings, so that nobody overwrites one that they did not see.
    Column("version", Integer, nullable=False, server_default="1"),
    created_at(),
    updated_at(),
    # While it is set, nothing of the workspace is planned or started; set by an operator.
    instant("disabled_at"),
    instant("deleted_at"),
    # By which cursors of its pages are sealed; see shared/web/cursors.py.
    Column("cursor_key", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
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
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    # Grows with every change by a person; its use is none.
    Column("version", Integer, nullable=False, server_default="1"),
    # The name that its maker had then, and their public id; an operator has neither.
    Column("created_by", String(200)),
    Column("created_by_id", Uuid),
    instant("expires_at"),
    # Moved at most once a minute by the api, so that reading stays reading.
    instant("last_used_at"),
    instant("revoked_at"),
    created_at(),
    updated_at(),
    one_of("role", ("viewer", "editor", "admin"), "api_key_role_valid"),
    UniqueConstraint("workspace_id", "id"),
)

# A person of a workspace: invited by an address, and from the first token on known by (issuer,
# subject) alone, for addresses are given to others in time.
member = Table(
    "member",
    metadata,
    internal_id(),
    public_id(),
    workspace_id(is_direct=True),
    # Of whose tokens it is; said when the person is invited, so that no other may vouch for them.
    Column("issuer", String(255), nullable=False),
    # In lower case, as it was when the person was invited.
    Column("email", String(254), nullable=False),
    # Null until the person joins.
    Column("subject", String(255)),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("invited_by", String(200)),
    Column("invited_by_id", Uuid),
    Column("invited_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    instant("joined_at"),
    # Moved at most once a minute, as a key's.
    instant("last_used_at"),
    # A row that is removed stays as it was; who comes back gets another one.
    instant("removed_at"),
    one_of("role", ("viewer", "editor", "admin"), "member_role_valid"),
    CheckConstraint("length(btrim(name)) > 0", name="member_name_not_blank"),
    CheckConstraint("email = lower(email)", name="member_email_in_lower_case"),
    CheckConstraint("(subject IS NULL) = (joined_at IS NULL)", name="member_joined_as_somebody"),
    UniqueConstraint("workspace_id", "id"),
)
_IS_LIVE = text("removed_at IS NULL")
Index(
    "one_member_per_person",
    member.c.issuer,
    member.c.subject,
    member.c.workspace_id,
    unique=True,
    postgresql_where=_IS_LIVE,
)
Index(
    "one_member_per_address",
    member.c.issuer,
    member.c.email,
    member.c.workspace_id,
    unique=True,
    postgresql_where=_IS_LIVE,
)
