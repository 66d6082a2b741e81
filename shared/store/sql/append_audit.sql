-- Add entries to a workspace's audit log, in their order; numbers and hashes are the trigger's.
-- Returns for each whether the log has yet to tell of refusals that were left out of it.
INSERT INTO audit_log (
    workspace_id, seq, actor_kind, actor_id, actor_name, address, request_id, action, object_kind,
    object_id, object_name, outcome, code, before, after, previous_hash, hash
)
SELECT
    CAST(:workspace_id AS bigint), 0, CAST(:actor_kind AS text), CAST(:actor_id AS uuid),
    CAST(:actor_name AS text), CAST(:address AS text), CAST(:request_id AS text), e.action,
    e.object_kind, e.object_id, e.object_name, e.outcome, e.code, e.before, e.after, '', ''
FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS e (
    place integer, action text, object_kind text, object_id uuid, object_name text,
    outcome text, code text, before jsonb, after jsonb
)
ORDER BY e.place
RETURNING EXISTS (
    SELECT FROM refusals_left_out AS o
    WHERE o.workspace_id = CAST(:workspace_id AS bigint)
        AND o.first_at <= now() - interval '1 minute'
) AS is_telling_due
