"""What a migration says of a tenant's table: whose rows each role sees, and what it may do.

Every migration that makes a table with `workspace_id` calls `protect_tenant_table` for it; one that
adds a column to a table on which a role has rights by column grants them. Tests name what was
forgotten.
"""

from alembic import op
from sqlalchemy import Connection, text

OF_ITS_CONNECTOR = (
    "EXISTS (SELECT FROM workspace_connector AS c WHERE c.id = {table}.connector_id{more})"
)
"""A row of the api names a connector that it sees: unique keys over connectors, which speak before
foreign keys do, would else tell what other workspaces have."""

# NULL, and so no row, if the transaction names none. No sub-select: the planner has to know whose
# rows are read, since the plan for the average workspace reads all rows of a large one.
_WORKSPACE = "CAST(nullif(current_setting('syncline.workspace_id', true), '') AS bigint)"
# An operator says that all are meant; whoever serves with the owner's login by mistake does not. A
# function of the database that acts as its owner is called by another login.
_OF_THE_OWNER = """
CREATE POLICY of_the_owner ON {table} TO current_user USING (
    (
        SELECT current_setting('syncline.every_workspace', true) = 'on'
            OR session_user <> current_user
    )
)
"""
_NAME_OWNER = text(
    """
DO $$
DECLARE
    p record;
BEGIN
    FOR p IN
        SELECT c.oid, pg_get_userbyid(c.relowner) AS owner
        FROM pg_policy AS o JOIN pg_class AS c ON c.oid = o.polrelid
        WHERE c.relnamespace = to_regnamespace('public')
            AND o.polname = 'of_the_owner' AND o.polroles <> ARRAY[c.relowner]
        ORDER BY c.relname
    LOOP
        EXECUTE format(
            'ALTER POLICY of_the_owner ON %s TO %I', CAST(p.oid AS regclass), p.owner
        );
    END LOOP;
END $$
"""
)


def protect_tenant_table(
    table: str, *, app: str, system: str, key: str = "workspace_id", check: str = ""
) -> None:
    """Let row-level security bind everybody on a table, and grant each role what it needs.

    `app` and `system` are lists of privileges as GRANT takes them, columns included; empty for
    none, and no policy either. `key` is the column that holds the workspace. `check` is what else
    must be true of a row that the api writes.
    """
    is_own = f"{key} = {_WORKSPACE}"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    if app:
        op.execute(
            f"CREATE POLICY of_one_workspace ON {table} TO syncline_app"
            f" USING ({is_own}) WITH CHECK ({is_own}{f' AND {check}' if check else ''})"
        )
    if system:
        op.execute(
            f"CREATE POLICY of_every_workspace ON {table} TO syncline_system"
            " USING (true) WITH CHECK (true)"
        )
    op.execute(_OF_THE_OWNER.format(table=table))
    grant(table, app=app, system=system)


def grant(table: str, *, app: str = "", system: str = "") -> None:
    """Grant each role what it needs of a table, and nobody else anything."""
    op.execute(f"REVOKE ALL ON {table} FROM PUBLIC")
    for role, privileges in (("syncline_app", app), ("syncline_system", system)):
        if privileges:
            op.execute(f"GRANT {privileges} ON {table} TO {role}")


def name_owner_in_policies(connection: Connection) -> None:
    """Let the policies of owners name who owns the tables, after they got another one."""
    connection.execute(_NAME_OWNER)
