-- Add to a workspace's audit log how many refusals of each caller were left out of it, in a minute
-- that is over, and forget them. Whoever comes here may hold the end of the chain already, and who
-- counts may wait for it: what others hold is left to them and to a later entry.
WITH told AS (
    DELETE FROM refusals_left_out AS o
    WHERE o.ctid IN (
        SELECT d.ctid FROM refusals_left_out AS d
        WHERE d.workspace_id = CAST(:workspace_id AS bigint)
            AND d.first_at <= now() - interval '1 minute'
        ORDER BY d.first_at
        LIMIT 100
        FOR UPDATE SKIP LOCKED
    )
    RETURNING o.actor_kind, o.actor_id, o.actor_name, o.refusals, o.first_at, o.last_at
)

INSERT INTO audit_log (
    workspace_id, seq, actor_kind, actor_id, actor_name, action, object_kind, outcome, code, after,
    previous_hash, hash
)
SELECT
    CAST(:workspace_id AS bigint), 0, t.actor_kind, t.actor_id, t.actor_name,
    'leave_out_refusals', 'workspace', 'refused', 'too_many_refusals',
    jsonb_build_object('left_out', t.refusals, 'first_at', t.first_at, 'last_at', t.last_at),
    '', ''
FROM told AS t
ORDER BY t.first_at
