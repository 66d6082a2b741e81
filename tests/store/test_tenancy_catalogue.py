"""What the database's catalogue says of tables, references, views, functions and rights."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, text

from tests.store.tenants import OPEN_TABLES, TENANT_TABLES

UNPROTECTED = """
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND c.relname <> ALL(:open)
    AND NOT (
        c.relrowsecurity AND c.relforcerowsecurity
        AND ARRAY(
            SELECT p.polroles[1] FROM pg_policy AS p
            WHERE p.polrelid = c.oid AND p.polcmd = '*' ORDER BY 1
        ) = ARRAY(
            SELECT DISTINCT r.oid FROM pg_roles AS r
            WHERE r.oid = c.relowner
                OR (
                    r.rolname LIKE 'syncline\\_%'
                    AND has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
                    AND NOT r.rolcanlogin
                )
            ORDER BY 1
        )
        AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND 0 = ANY(p.polroles))
    )
"""
"""Of each table: a policy for its owner and each role with rights on it, and none for everybody."""
LOOSE_REFERENCES = """
SELECT conname FROM pg_constraint AS k
WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
    AND k.confrelid <> 'workspace'::regclass
    AND NOT EXISTS (
        SELECT FROM unnest(k.conkey, k.confkey) AS pair (child, parent)
        JOIN pg_attribute AS c ON c.attrelid = k.conrelid AND c.attnum = pair.child
        JOIN pg_attribute AS p ON p.attrelid = k.confrelid AND p.attnum = pair.parent
        WHERE c.attname = 'workspace_id' AND p.attname = 'workspace_id'
    )
"""
UNREFERENCED_KEYS = """
SELECT c.relname || '.' || a.attname
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND a.attnum > 0 AND NOT a.attisdropped
    AND a.atttypid = 'bigint'::regtype AND a.attname LIKE '%\\_id'
    AND NOT EXISTS (
        SELECT FROM pg_constraint AS k
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY(k.conkey)
    )
"""
LEAKY_VIEWS = """
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace
    AND (
        c.relkind = 'm'
        OR (
            c.relkind = 'v'
            AND NOT coalesce('security_invoker=true' = ANY(c.reloptions), false)
        )
    )
"""
LEAKY_FUNCTIONS = """
SELECT f.proname FROM pg_proc AS f
WHERE f.pronamespace = 'public'::regnamespace AND f.prosecdef
    AND (
        NOT EXISTS (SELECT FROM unnest(f.proconfig) AS s WHERE s LIKE 'search_path=%')
        OR EXISTS (
            SELECT FROM aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS x
            WHERE x.grantee = 0
        )
    )
"""
EXCESSIVE_RIGHTS = """
SELECT c.relname || ': ' || x.privilege_type
FROM pg_class AS c
CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS x
WHERE c.relnamespace = 'public'::regnamespace AND x.grantee <> c.relowner
    AND (
        x.grantee = 0
        OR (c.relkind = 'S' AND x.privilege_type <> 'USAGE')
        OR x.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE')
        OR x.is_grantable
    )
"""
CHECKS = {
    "tables without the policies": UNPROTECTED,
    "references that may leave a workspace": LOOSE_REFERENCES,
    "keys of other rows without a reference": UNREFERENCED_KEYS,
    "views that see with their owner's eyes": LEAKY_VIEWS,
    "functions that act as their owner for everybody": LEAKY_FUNCTIONS,
    "rights that nobody needs": EXCESSIVE_RIGHTS,
}


def found(connection: Connection, what: str) -> Sequence[str]:
    query = text(CHECKS[what].replace("'::reg", "'\\:\\:reg"))
    parameters = {"open": list(OPEN_TABLES)} if ":open" in CHECKS[what] else {}
    return connection.execute(query, parameters).scalars().all()


@pytest.mark.parametrize("what", CHECKS)
def test_the_database_has_no(undone: Connection, what: str) -> None:
    assert found(undone, what) == []


def test_every_table_is_a_tenants_or_is_known_to_hold_nothing_of_one(
    undone: Connection,
) -> None:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert set(undone.execute(text(query)).scalars()) == {*TENANT_TABLES, *OPEN_TABLES}


FORGOTTEN = [
    ("tables without the policies", "CREATE TABLE x (workspace_id bigint)"),
    ("tables without the policies", "ALTER TABLE sync_schedule NO FORCE ROW LEVEL SECURITY"),
    ("tables without the policies", "ALTER TABLE sync_schedule DISABLE ROW LEVEL SECURITY"),
    ("tables without the policies", "DROP POLICY of_one_workspace ON sync_schedule"),
    ("tables without the policies", "CREATE POLICY x ON sync_schedule USING (true)"),
    (
        "references that may leave a workspace",
        "CREATE TABLE x (connector_id bigint REFERENCES workspace_connector (id))",
    ),
    ("keys of other rows without a reference", "CREATE TABLE x (connector_id bigint)"),
    ("views that see with their owner's eyes", "CREATE VIEW x AS SELECT FROM sync_schedule"),
    (
        "views that see with their owner's eyes",
        "CREATE MATERIALIZED VIEW x AS SELECT name FROM sync_schedule",
    ),
    (
        "functions that act as their owner for everybody",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    ),
    ("rights that nobody needs", "GRANT TRUNCATE ON sync_schedule TO syncline_app"),
    ("rights that nobody needs", "GRANT REFERENCES ON sync_schedule TO syncline_system"),
    ("rights that nobody needs", "GRANT TRIGGER ON sync_schedule TO syncline_app"),
    ("rights that nobody needs", "GRANT SELECT ON sync_schedule TO PUBLIC"),
    ("rights that nobody needs", "GRANT UPDATE ON SEQUENCE sync_schedule_id_seq TO syncline_app"),
]


@pytest.mark.parametrize(("what", "mistake"), FORGOTTEN)
def test_what_a_migration_forgets_is_found(undone: Connection, what: str, mistake: str) -> None:
    undone.execute(text(mistake))
    assert len(found(undone, what)) == 1


@pytest.mark.parametrize(
    ("view", "rows"),
    [("CREATE VIEW x", 2), ("CREATE VIEW x WITH (security_invoker = true)", 0)],
)
def test_a_view_shows_what_its_owner_sees_unless_it_is_its_callers(
    undone: Connection, view: str, rows: int
) -> None:
    undone.execute(text("INSERT INTO workspace (slug, name) VALUES ('a', 'a'), ('b', 'b')"))
    undone.execute(text(f"{view} AS SELECT id FROM workspace"))
    undone.execute(text("GRANT SELECT ON x TO syncline_app"))
    undone.execute(text("SET LOCAL ROLE syncline_app"))
    assert len(undone.execute(text("SELECT id FROM x")).all()) == rows
