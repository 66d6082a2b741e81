-- Add entries to a workspace's audit log, in their order; numbers and hashes are the trigger's. Of
-- a minute's refusals, so many of a caller and so many of all callers are kept and the others
-- counted; when the minute is over, whoever adds something next adds how many of each caller were
-- left out. What is counted is locked before the end of the chain is, by everybody, and what others
-- hold is left to them: nobody waits for whom they keep waiting.
WITH judged AS MATERIALIZED (
    SELECT g.*, g.code IS NULL OR g.nth <= (
        SELECT least(
            CAST(:most_refused_of_all AS bigint) - count(*),
            CAST(:most_refused AS bigint) - count(*) FILTER (WHERE n.is_of_caller)
        )
        FROM (
            SELECT r.actor_kind = CAST(:actor_kind AS text)
                AND r.actor_id IS NOT DISTINCT FROM CAST(:actor_id AS uuid) AS is_of_caller
            FROM audit_log AS r
            WHERE r.workspace_id = CAST(:workspace_id AS bigint) AND r.outcome = 'refused'
                AND r.created_at > now() - interval '1 minute'
            LIMIT CAST(:most_refused_of_all AS bigint)
        ) AS n
    ) AS is_kept
    FROM (
        SELECT r.*, row_number() OVER (PARTITION BY r.code IS NULL ORDER BY r.place) AS nth
        FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS r (
            place integer, action text, object_kind text, object_id uuid, object_name text,
            outcome text, code text, before jsonb, after jsonb
        )
    ) AS g
),

counted AS (
    INSERT INTO refusals_left_out AS o (
        workspace_id, actor_kind, actor_id, actor_name, refusals, first_at, last_at
    )
    SELECT
        CAST(:workspace_id AS bigint), CAST(:actor_kind AS text), CAST(:actor_id AS uuid),
        CAST(:actor_name AS text), count(*), now(), now()
    FROM judged AS j
    WHERE NOT j.is_kept
    HAVING count(*) > 0
    ON CONFLICT ON CONSTRAINT refusals_left_out_of_a_caller DO UPDATE
    SET refusals = o.refusals + excluded.refusals,
        actor_name = excluded.actor_name,
        last_at = greatest(o.last_at, excluded.last_at)
    RETURNING o.workspace_id
),

settled AS (
    DELETE FROM refusals_left_out AS o
    WHERE o.ctid IN (
        SELECT d.ctid FROM refusals_left_out AS d
        WHERE d.workspace_id = CAST(:workspace_id AS bigint)
            AND d.first_at <= now() - interval '1 minute'
        ORDER BY d.first_at
        LIMIT 100
        FOR UPDATE SKIP LOCKED
    )
    -- A statement cannot take away a row to which it adds.
    AND NOT EXISTS (SELECT FROM counted)
    RETURNING o.actor_kind, o.actor_id, o.actor_name, o.refusals, o.first_at, o.last_at
)

INSERT INTO audit_log (
    workspace_id, seq, actor_kind, actor_id, actor_name, address, request_id, action, object_kind,
    object_id, object_name, outcome, code, before, after, previous_hash, hash
)
SELECT
    CAST(:workspace_id AS bigint), 0, e.actor_kind, e.actor_id, e.actor_name, e.address,
    e.request_id, e.action, e.object_kind, e.object_id, e.object_name, e.outcome, e.code, e.before,
    e.after, '', ''
FROM (
    SELECT
        -1 AS place, s.first_at, s.actor_kind, s.actor_id, s.actor_name,
        CAST(NULL AS text) AS address, CAST(NULL AS text) AS request_id,
        'leave_out_refusals' AS action, 'workspace' AS object_kind,
        CAST(NULL AS uuid) AS object_id, CAST(NULL AS text) AS object_name,
        'refused' AS outcome, 'too_many_refusals' AS code, CAST(NULL AS jsonb) AS before,
        jsonb_build_object(
            'left_out', s.refusals, 'first_at', s.first_at, 'last_at', s.last_at
        ) AS after
    FROM settled AS s
    UNION ALL
    SELECT
        j.place, NULL, CAST(:actor_kind AS text), CAST(:actor_id AS uuid),
        CAST(:actor_name AS text), CAST(:address AS text), CAST(:request_id AS text),
        j.action, j.object_kind, j.object_id, j.object_name, j.outcome, j.code, j.before, j.after
    FROM judged AS j
    WHERE j.is_kept
) AS e
ORDER BY e.place, e.first_at
