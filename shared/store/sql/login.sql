-- What a function's login is, by itself or by a role that it may take on: whether row-level security
-- does not bind it, whether it may make roles or tables, and which of our roles it has. And which
-- tenants' tables that it may use do not force row-level security, or have another owner by now than
-- their policies name.
WITH ours AS (
    SELECT
        c.oid,
        CAST(c.relname AS text) AS relname,
        c.relowner,
        c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
        pg_catalog.has_any_column_privilege(
            c.oid, 'SELECT, INSERT, UPDATE'
        ) OR pg_catalog.has_table_privilege(c.oid, 'DELETE, TRUNCATE') AS is_usable
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p')
),

taken_on AS (
    SELECT r.rolsuper, r.rolbypassrls, r.rolcreaterole, CAST(r.rolname AS text) AS rolname
    FROM pg_catalog.pg_roles AS r
    WHERE pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')
)

SELECT
    EXISTS (SELECT FROM taken_on WHERE rolsuper OR rolbypassrls)
    OR EXISTS (
        SELECT FROM ours WHERE pg_catalog.pg_has_role(current_user, relowner, 'MEMBER')
    ) AS is_unbound,
    EXISTS (SELECT FROM taken_on WHERE rolcreaterole) AS may_make_roles,
    pg_catalog.has_schema_privilege('public', 'CREATE') AS may_make_tables,
    ARRAY(
        SELECT rolname FROM taken_on
        WHERE rolname IN ('syncline_app', 'syncline_system')
        ORDER BY rolname
    ) AS roles,
    ARRAY(
        SELECT relname FROM ours
        WHERE is_usable AND NOT is_forced
            AND (
                relname = 'workspace'
                OR EXISTS (
                    SELECT FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid = ours.oid AND a.attname = 'workspace_id'
                        AND NOT a.attisdropped
                )
            )
        ORDER BY relname
        LIMIT 1
    ) AS unforced,
    ARRAY(
        SELECT relname FROM ours
        JOIN pg_catalog.pg_policy AS p ON p.polrelid = ours.oid
        WHERE p.polname = 'of_the_owner' AND p.polroles <> ARRAY[ours.relowner]
        ORDER BY relname
        LIMIT 1
    ) AS misowned
