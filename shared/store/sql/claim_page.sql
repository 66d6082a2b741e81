-- Write the runs of a page of planned schedules and move their marks, in one statement.
WITH planned AS (
    SELECT p.*
    FROM jsonb_to_recordset(CAST(:periods AS jsonb)) AS p (
        workspace_id bigint,
        connector_id bigint,
        schedule_id bigint,
        idempotency_key text,
        period_at timestamptz,
        period_count integer,
        not_before_at timestamptz,
        reason text
    )
),

marked AS (
    UPDATE sync_schedule AS s
    SET planned_through = m.planned_through,
        next_scheduled_at = m.next_scheduled_at,
        plan_error = m.plan_error
    FROM jsonb_to_recordset(CAST(:marks AS jsonb)) AS m (
        schedule_id bigint,
        planned_through timestamptz,
        next_scheduled_at timestamptz,
        plan_error text
    )
    WHERE s.id = m.schedule_id
),

written AS (
    INSERT INTO workspace_connector_sync_log (
        workspace_id,
        connector_id,
        schedule_id,
        trigger_type,
        idempotency_key,
        period_at,
        period_count,
        not_before_at,
        status,
        reason,
        completed_at
    )
    SELECT
        p.workspace_id,
        p.connector_id,
        p.schedule_id,
        'cloud_task',
        p.idempotency_key,
        p.period_at,
        p.period_count,
        p.not_before_at,
        CASE WHEN p.reason IS NULL THEN 'scheduled' ELSE 'skipped' END,
        p.reason,
        CASE WHEN p.reason IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM planned AS p
    ORDER BY p.not_before_at, p.schedule_id
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, workspace_id, status, reason
),

noted AS (
    INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
    SELECT
        w.workspace_id,
        w.id,
        CAST(:now AS timestamptz),
        CASE WHEN w.status = 'skipped' THEN 'skipped' ELSE 'planned' END,
        CASE
            WHEN w.reason IS NULL THEN CAST('{}' AS jsonb)
            ELSE jsonb_build_object('reason', w.reason)
        END
    FROM written AS w
)

SELECT
    count(*) FILTER (WHERE status = 'scheduled') AS claimed,
    count(*) FILTER (WHERE status = 'skipped') AS skipped
FROM written
