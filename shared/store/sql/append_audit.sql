-- Add an entry to a workspace's audit log; number and hashes are the trigger's. One that is refused
-- is only added while the workspace has fewer of them in the last minute than it may have.
INSERT INTO audit_log (
    workspace_id, seq, actor_kind, actor_id, actor_name, address, request_id, action, object_kind,
    object_id, object_name, outcome, code, before, after, previous_hash, hash
)
SELECT
    CAST(:workspace_id AS bigint), 0, CAST(:actor_kind AS text), CAST(:actor_id AS uuid),
    CAST(:actor_name AS text), CAST(:address AS text), CAST(:request_id AS text),
    CAST(:action AS text), CAST(:object_kind AS text), CAST(:object_id AS uuid),
    CAST(:object_name AS text), CAST(:outcome AS text), CAST(:code AS text),
    CAST(:before AS jsonb), CAST(:after AS jsonb), '', ''
WHERE CAST(:code AS text) IS NULL OR CAST(:most_refused AS bigint) > (
    SELECT count(*) FROM (
        SELECT FROM audit_log AS r
        WHERE r.workspace_id = CAST(:workspace_id AS bigint) AND r.outcome = 'refused'
            AND r.created_at > now() - interval '1 minute'
        LIMIT CAST(:most_refused AS bigint)
    ) AS refused
)
