-- Add entries to a workspace's audit log, in their order; numbers and hashes are the trigger's. Of
-- those that are refused, as many as the workspace may still have of them in a minute.
INSERT INTO audit_log (
    workspace_id, seq, actor_kind, actor_id, actor_name, address, request_id, action, object_kind,
    object_id, object_name, outcome, code, before, after, previous_hash, hash
)
SELECT
    CAST(:workspace_id AS bigint), 0, CAST(:actor_kind AS text), CAST(:actor_id AS uuid),
    CAST(:actor_name AS text), CAST(:address AS text), CAST(:request_id AS text),
    e.action, e.object_kind, e.object_id, e.object_name, e.outcome, e.code, e.before, e.after, '', ''
FROM (
    SELECT r.*, row_number() OVER (PARTITION BY r.code IS NULL ORDER BY r.place) AS nth
    FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS r (
        place integer, action text, object_kind text, object_id uuid, object_name text,
        outcome text, code text, before jsonb, after jsonb
    )
) AS e
WHERE e.code IS NULL OR e.nth <= CAST(:most_refused AS bigint) - (
    SELECT count(*) FROM (
        SELECT FROM audit_log AS r
        WHERE r.workspace_id = CAST(:workspace_id AS bigint) AND r.outcome = 'refused'
            AND r.created_at > now() - interval '1 minute'
        LIMIT CAST(:most_refused AS bigint)
    ) AS refused
)
ORDER BY e.place
