-- Find room for so many refusals of a caller in a workspace's audit log: returns how many are kept,
-- and counts the others in the caller's row. Of a minute's refusals, so many of a caller and so many
-- of all callers are kept; those of keys that opened nothing any more are apart from the others, and
-- what the log adds of itself fills no room.
WITH room AS MATERIALIZED (
    SELECT greatest(0, least(
        CAST(:refusals AS bigint),
        CAST(:most_refused_of_all AS bigint) - count(*),
        CAST(:most_refused AS bigint) - count(*) FILTER (WHERE n.is_of_caller)
    )) AS kept
    FROM (
        SELECT r.actor_kind = CAST(:actor_kind AS text)
            AND r.actor_id IS NOT DISTINCT FROM CAST(:actor_id AS uuid) AS is_of_caller
        FROM audit_log AS r
        WHERE r.workspace_id = CAST(:workspace_id AS bigint) AND r.outcome = 'refused'
            AND r.created_at > now() - interval '1 minute'
            AND r.code <> 'too_many_refusals'
            AND (r.code IN ('own_key_revoked', 'own_key_expired'))
                = CAST(:is_of_ended_key AS boolean)
        LIMIT CAST(:most_refused_of_all AS bigint)
    ) AS n
),

counted AS (
    INSERT INTO refusals_left_out AS o (
        workspace_id, actor_kind, actor_id, actor_name, refusals, first_at, last_at
    )
    SELECT
        CAST(:workspace_id AS bigint), CAST(:actor_kind AS text), CAST(:actor_id AS uuid),
        CAST(:actor_name AS text), CAST(:refusals AS bigint) - m.kept, now(), now()
    FROM room AS m
    WHERE m.kept < CAST(:refusals AS bigint)
    ON CONFLICT ON CONSTRAINT refusals_left_out_of_a_caller DO UPDATE
    SET refusals = o.refusals + excluded.refusals,
        actor_name = excluded.actor_name,
        last_at = greatest(o.last_at, excluded.last_at)
)

SELECT m.kept
FROM room AS m
