"""Who changed what: rows that are only ever added, each bound to the one before it by a hash."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.store.tables.columns import created_at, instant, metadata, one_of, workspace_id

audit_log = Table(
    "audit_log",
    metadata,
    workspace_id(is_direct=True),
    # Without a gap within a workspace; given by the trigger `chain_audit_log`, as both hashes are.
    Column("seq", BigInteger, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    # The public id of the key or the member; operators have none.
    Column("actor_id", Uuid),
    Column("actor_name", String(200), nullable=False),
    Column("address", String(64)),
    Column("request_id", String(64)),
    Column("action", String(64), nullable=False),
    Column("object_kind", String(32), nullable=False),
    Column("object_id", Uuid),
    Column("object_name", String(200)),
    Column("outcome", String(16), nullable=False),
    # Why it was refused.
    Column("code", String(64)),
    Column("before", JSONB),
    Column("after", JSONB),
    created_at(),
    Column("previous_hash", LargeBinary, nullable=False),
    # SHA-256 of the hash before and the row's text, as the function `audit_text` writes it.
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace_id", "seq"),
    one_of("actor_kind", ("api_key", "member", "operator"), "audit_actor_kind_valid"),
    one_of("outcome", ("done", "refused"), "audit_outcome_valid"),
    CheckConstraint("(outcome = 'refused') = (code IS NOT NULL)", name="audit_refusal_has_code"),
    # More than what `shared.domain.audit` lets through can become as jsonb.
    CheckConstraint(
        "coalesce(pg_column_size(before), 0) + coalesce(pg_column_size(after), 0) < 1048576",
        name="audit_bounded",
    ),
)
_ORDER = (audit_log.c.created_at, audit_log.c.seq)
Index("audit_log_by_time", audit_log.c.workspace_id, *_ORDER)
Index("audit_log_of_object", audit_log.c.workspace_id, audit_log.c.object_id, *_ORDER)
Index("audit_log_of_kind", audit_log.c.workspace_id, audit_log.c.object_kind, *_ORDER)
Index("audit_log_of_actor", audit_log.c.workspace_id, audit_log.c.actor_id, *_ORDER)
Index("audit_log_of_action", audit_log.c.workspace_id, audit_log.c.action, *_ORDER)
Index(
    "refused_in_audit_log",
    audit_log.c.workspace_id,
    *_ORDER,
    postgresql_where=text("outcome = 'refused'"),
)

# The end of each chain: written by the trigger alone.
audit_head = Table(
    "audit_head",
    metadata,
    workspace_id(is_direct=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace_id"),
)

# How many refusals of a caller were left out of the log since it last told so. Written by
# shared/store/sql/count_refusals.sql, taken away by tell_refusals.sql.
refusals_left_out = Table(
    "refusals_left_out",
    metadata,
    workspace_id(is_direct=True),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", Uuid),
    Column("actor_name", String(200), nullable=False),
    Column("refusals", BigInteger, nullable=False),
    instant("first_at", required=True),
    instant("last_at", required=True),
    UniqueConstraint(
        "workspace_id",
        "actor_kind",
        "actor_id",
        name="refusals_left_out_of_a_caller",
        postgresql_nulls_not_distinct=True,
    ),
)
