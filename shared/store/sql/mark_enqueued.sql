-- Note which tasks Cloud Tasks took, unless the run moved on in the meantime.
WITH taken AS (
    SELECT t.*
    FROM jsonb_to_recordset(CAST(:tasks AS jsonb)) AS t (
        run_id bigint, generation integer, cloud_task_id text
    )
    -- In the order in which a change of schedules locks runs.
    ORDER BY t.run_id
),

-- Row by row through the primary key: joined as a set, the conditions on columns that are seldom
-- null make the planner expect one row, and read the whole log for it.
still_wanted AS (
    SELECT found.id, t.cloud_task_id
    FROM taken AS t
    CROSS JOIN LATERAL (
        SELECT r.id
        FROM workspace_connector_sync_log AS r
        WHERE r.id = t.run_id
            AND r.task_generation = t.generation
            AND r.enqueued_at IS NULL
            AND r.completed_at IS NULL
        FOR NO KEY UPDATE
    ) AS found
),

marked AS (
    UPDATE workspace_connector_sync_log AS r
    SET enqueued_at = coalesce(CAST(:now AS timestamptz), statement_timestamp()),
        cloud_task_id = w.cloud_task_id
    FROM still_wanted AS w
    WHERE r.id = w.id
    RETURNING r.id, r.workspace_id, r.task_generation
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    m.workspace_id,
    m.id,
    coalesce(CAST(:now AS timestamptz), statement_timestamp()),
    'enqueued',
    jsonb_build_object('generation', m.task_generation)
FROM marked AS m
