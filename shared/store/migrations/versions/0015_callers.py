"""Members of workspaces, and what tells of a key who made it and how often it was changed."""

from alembic import op

from shared.store.migrations.tenancy import protect_tenant_table

revision = "0015"
down_revision = "0014"

_KEYS = (
    """
ALTER TABLE api_key
    ADD COLUMN version INTEGER DEFAULT '1' NOT NULL,
    ADD COLUMN created_by VARCHAR(200),
    ADD COLUMN created_by_id UUID,
    ADD CONSTRAINT api_key_secret_hash_key UNIQUE (secret_hash)
""",
    "GRANT UPDATE (version) ON api_key TO syncline_app",
)
_MEMBERS = (
    """
CREATE TABLE member (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    public_id UUID DEFAULT gen_random_uuid() NOT NULL,
    workspace_id BIGINT NOT NULL,
    issuer VARCHAR(255) NOT NULL,
    email VARCHAR(254) NOT NULL,
    subject VARCHAR(255),
    name VARCHAR(200) NOT NULL,
    role VARCHAR(16) NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    invited_by VARCHAR(200),
    invited_by_id UUID,
    invited_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    removed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT member_pkey PRIMARY KEY (id),
    CONSTRAINT member_public_id_key UNIQUE (public_id),
    CONSTRAINT member_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT member_workspace_id_fkey FOREIGN KEY(workspace_id) REFERENCES workspace (id),
    CONSTRAINT member_role_valid CHECK (role IN ('viewer', 'editor', 'admin')),
    CONSTRAINT member_name_not_blank CHECK (length(btrim(name)) > 0),
    CONSTRAINT member_email_in_lower_case CHECK (email = lower(email)),
    CONSTRAINT member_joined_as_somebody CHECK ((subject IS NULL) = (joined_at IS NULL))
)
""",
    """
CREATE UNIQUE INDEX one_member_per_person ON member (issuer, subject, workspace_id)
WHERE removed_at IS NULL
""",
    """
CREATE UNIQUE INDEX one_member_per_address ON member (issuer, email, workspace_id)
WHERE removed_at IS NULL
""",
)

# Whoever shows a token is looked for before it is known in which workspace: issuer, subject and an
# e-mail address that the issuer verified, of which an invitation needs the last. The collation is
# that of the indexes: `convert_from` gives another one.
_IDENTITY = (
    "(SELECT split_part(convert_from(decode("
    "nullif(current_setting('syncline.identity', true), ''), 'hex'), 'UTF8')"
    " COLLATE \"default\", E'\\n', {part}))"
)
# Two policies, of which each has its index.
_FOUND_BY_ITS_SUBJECT = f"""
CREATE POLICY found_by_its_subject ON member FOR SELECT TO syncline_app
USING (
    removed_at IS NULL
    AND issuer = {_IDENTITY.format(part=1)} AND subject = {_IDENTITY.format(part=2)}
)
"""
_FOUND_BY_ITS_ADDRESS = f"""
CREATE POLICY found_by_its_address ON member FOR SELECT TO syncline_app
USING (
    removed_at IS NULL AND subject IS NULL
    AND issuer = {_IDENTITY.format(part=1)} AND email = {_IDENTITY.format(part=3)}
)
"""
# The workspace of a key or a member is read with it. While neither is shown, no row of either
# table is looked at.
_OF_WHO_CALLS = """
CREATE POLICY of_who_calls ON workspace FOR SELECT TO syncline_app
USING (
    (
        SELECT coalesce(current_setting('syncline.key_hash', true), '') <> ''
            OR coalesce(current_setting('syncline.identity', true), '') <> ''
    )
    AND (
        id IN (SELECT k.workspace_id FROM api_key AS k)
        OR id IN (SELECT m.workspace_id FROM member AS m)
    )
)
"""


def upgrade() -> None:
    """Create the table of members, and let who calls be found in one statement."""
    for statement in (*_KEYS, *_MEMBERS):
        op.execute(statement)
    protect_tenant_table(
        "member",
        app="SELECT, INSERT,"
        " UPDATE (subject, name, role, version, joined_at, last_used_at, removed_at)",
        system="",
    )
    op.execute(_FOUND_BY_ITS_SUBJECT)
    op.execute(_FOUND_BY_ITS_ADDRESS)
    op.execute(_OF_WHO_CALLS)
