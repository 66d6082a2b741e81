"""An audit log that is only ever added to, chained by hashes in each workspace."""

from alembic import op

from shared.store.migrations.tenancy import protect_tenant_table

revision = "0014"
down_revision = "0013"

_STATEMENTS = (
    """
CREATE TABLE audit_log (
    workspace_id BIGINT NOT NULL REFERENCES workspace (id),
    seq BIGINT NOT NULL,
    actor_kind VARCHAR(16) NOT NULL,
    actor_id UUID,
    actor_name VARCHAR(200) NOT NULL,
    address VARCHAR(64),
    request_id VARCHAR(64),
    action VARCHAR(64) NOT NULL,
    object_kind VARCHAR(32) NOT NULL,
    object_id UUID,
    object_name VARCHAR(200),
    outcome VARCHAR(16) NOT NULL,
    code VARCHAR(64),
    before JSONB,
    after JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT audit_log_pkey PRIMARY KEY (workspace_id, seq),
    CONSTRAINT audit_actor_kind_valid CHECK (actor_kind IN ('api_key', 'member', 'operator')),
    CONSTRAINT audit_outcome_valid CHECK (outcome IN ('done', 'refused')),
    CONSTRAINT audit_refusal_has_code CHECK ((outcome = 'refused') = (code IS NOT NULL)),
    CONSTRAINT audit_bounded CHECK (
        coalesce(pg_column_size(before), 0) + coalesce(pg_column_size(after), 0) < 1048576
    )
)
""",
    # One for each question; all in the order of the log.
    "CREATE INDEX audit_log_by_time ON audit_log (workspace_id, created_at, seq)",
    "CREATE INDEX audit_log_of_object ON audit_log (workspace_id, object_id, created_at, seq)",
    "CREATE INDEX audit_log_of_kind ON audit_log (workspace_id, object_kind, created_at, seq)",
    "CREATE INDEX audit_log_of_actor ON audit_log (workspace_id, actor_id, created_at, seq)",
    "CREATE INDEX audit_log_of_action ON audit_log (workspace_id, action, created_at, seq)",
    """
CREATE INDEX refused_in_audit_log ON audit_log (workspace_id, created_at, seq)
WHERE outcome = 'refused'
""",
    """
CREATE TABLE audit_head (
    workspace_id BIGINT NOT NULL REFERENCES workspace (id),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT audit_head_pkey PRIMARY KEY (workspace_id)
)
""",
    # The words of a row as they are hashed. jsonb has one text for one value.
    """
CREATE FUNCTION audit_text(entry audit_log) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN CAST(jsonb_build_array(
    entry.workspace_id, entry.seq, entry.actor_kind, entry.actor_id, entry.actor_name,
    entry.address, entry.request_id, entry.action, entry.object_kind, entry.object_id,
    entry.object_name, entry.outcome, entry.code, entry.before, entry.after,
    to_char(entry.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
) AS text)
""",
    # As its owner, so that nobody who may add rows may touch the end of a chain. The head is
    # locked until the change commits: changes of a workspace are chained one after the other.
    """
CREATE FUNCTION chain_audit_log() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO audit_head (workspace_id, seq, hash) VALUES (NEW.workspace_id, 0, '')
    ON CONFLICT DO NOTHING;
    UPDATE audit_head SET seq = seq + 1 WHERE workspace_id = NEW.workspace_id
    RETURNING seq, hash INTO NEW.seq, NEW.previous_hash;
    NEW.created_at := clock_timestamp();
    NEW.hash := sha256(NEW.previous_hash || convert_to(audit_text(NEW), 'UTF8'));
    UPDATE audit_head SET hash = NEW.hash WHERE workspace_id = NEW.workspace_id;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER chain_audit_log BEFORE INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION chain_audit_log()
""",
    """
CREATE FUNCTION keep_audit_log() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to' USING ERRCODE = 'restrict_violation';
END $$
""",
    """
CREATE TRIGGER keep_audit_log BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log()
""",
    "REVOKE EXECUTE ON FUNCTION chain_audit_log() FROM PUBLIC",
    # Who began an authorization is who connects by it: a name alone is nobody.
    "ALTER TABLE oauth_state ADD COLUMN asked_by_kind VARCHAR(16)",
    "ALTER TABLE oauth_state ADD COLUMN asked_by_id UUID",
)


def upgrade() -> None:
    """Create the log, the ends of its chains, and what keeps them."""
    for statement in _STATEMENTS:
        op.execute(statement)
    protect_tenant_table("audit_log", app="SELECT, INSERT", system="")
    protect_tenant_table("audit_head", app="", system="")
