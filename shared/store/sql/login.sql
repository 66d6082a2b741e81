-- What a function's login is: whether row-level security does not bind it, by itself or by a role
-- that it may take on, which of our roles it has, and which tenants' tables do not force it.
SELECT
    EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        WHERE (r.rolsuper OR r.rolbypassrls)
            AND pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')
    )
    OR EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = to_regnamespace('public')
            AND c.relkind IN ('r', 'p')
            AND pg_catalog.pg_has_role(current_user, c.relowner, 'MEMBER')
    ) AS is_unbound,
    coalesce(
        pg_catalog.pg_has_role(current_user, to_regrole('syncline_app'), 'MEMBER'), false
    ) AS is_app,
    coalesce(
        pg_catalog.pg_has_role(current_user, to_regrole('syncline_system'), 'MEMBER'), false
    ) AS is_system,
    ARRAY(
        SELECT CAST(c.relname AS text)
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = to_regnamespace('public')
            AND c.relkind IN ('r', 'p')
            AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            AND (
                c.relname = 'workspace'
                OR EXISTS (
                    SELECT FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped
                )
            )
        ORDER BY c.relname
    ) AS unforced
