-- Take the lease of a run if everything allows it, and say in any case what stood in the way.
-- `fence` is null when the lease was not taken; the other columns then tell why.
-- A task may name the workspace that it believes the run to be of, and the generation for which it
-- was made: a run of another workspace is not found, and a task that a newer one replaced is stale.
WITH instant AS (
    SELECT coalesce(CAST(:now AS timestamptz), statement_timestamp()) AS at
),

facts AS (
    SELECT
        r.id,
        r.workspace_connector_sync_log_id AS public_id,
        r.workspace_id,
        r.connector_id,
        r.schedule_id,
        r.status,
        r.trigger_type,
        r.period_at,
        r.not_before_at,
        r.attempt,
        r.max_attempts,
        r.slices,
        r.positions,
        r.metadata,
        r.records_failed,
        r.throttled_since,
        (r.started_at IS NOT NULL) AS has_started,
        (r.task_generation <> CAST(:generation AS integer)) IS TRUE AS is_stale,
        c.public_id AS connector_public_id,
        c.connector_type,
        c.config,
        c.config_version,
        c.access_version,
        w.public_id AS workspace_public_id,
        w.slug AS workspace_slug,
        (
            c.deleted_at IS NULL
            AND w.deleted_at IS NULL
            AND w.disabled_at IS NULL
            AND c.status = 'connected'
        ) AS connector_is_usable,
        coalesce(s.overlap_policy, 'queue_one') AS overlap_policy,
        -- Of a run by hand, so that each of its attempts is about the same instant: that of the run
        -- which it repeats, if it repeats one. One for what a source reported is about the instant
        -- since which it reads: it stands for all that was reported before.
        coalesce(
            r.period_at,
            r.nominal_at,
            CASE
                WHEN r.trigger_type <> 'webhook' THEN r.created_at
                WHEN r.slices = 0 AND r.positions = CAST('{}' AS jsonb)
                    THEN (SELECT at FROM instant)
                ELSE r.reading_since
            END,
            r.created_at
        ) AS nominal_at,
        coalesce(s.timezone, w.timezone) AS timezone,
        (r.not_before_at > (SELECT at FROM instant) + CAST(:early AS interval)) AS is_too_early,
        -- What a source reported waits for the end of a pause, also if an attempt failed before it.
        (
            r.trigger_type = 'webhook'
            AND r.slices = 0
            AND r.positions = CAST('{}' AS jsonb)
            AND s.paused_until > (SELECT at FROM instant)
        ) IS TRUE AS is_halted,
        -- A run with slices behind it keeps its connector until its end, also while it waits, and
        -- one that the provider put off keeps it until then: Retry-After binds the connector.
        (
            EXISTS (
                SELECT FROM workspace_connector_sync_log AS o
                WHERE o.connector_id = r.connector_id
                    AND o.id <> r.id
                    AND o.status = 'in_progress'
            )
            OR EXISTS (
                SELECT FROM workspace_connector_sync_log AS o
                WHERE o.connector_id = r.connector_id
                    AND o.id <> r.id
                    AND o.status = 'scheduled'
                    AND (
                        o.connector_held_until > (SELECT at FROM instant)
                        -- Of two runs with slices the older one goes on.
                        OR (o.slices > 0 AND (r.slices = 0 OR o.id < r.id))
                    )
            )
        ) AS overlaps,
        EXISTS (
            SELECT FROM workspace_connector_sync_log AS o
            WHERE o.connector_id = r.connector_id
                AND o.status = 'scheduled'
                AND o.not_before_at <= r.not_before_at
                AND o.id < r.id
                -- A run with slices behind it is what the others wait for.
                AND o.slices = 0
        ) AS another_waits,
        (
            SELECT count(*)
            FROM workspace_connector_sync_log AS o
            WHERE o.workspace_id = r.workspace_id
                AND o.admitted_at IS NOT NULL
                AND o.completed_at IS NULL
                -- Between two slices a run keeps its place against those that did not begin.
                AND (o.status = 'in_progress' OR (o.slices > 0 AND r.slices = 0))
                AND o.id <> r.id
        ) < w.max_concurrent_syncs AS has_room
    FROM workspace_connector_sync_log AS r
    JOIN workspace_connector AS c ON c.id = r.connector_id
    JOIN workspace AS w ON w.id = r.workspace_id
    LEFT JOIN sync_schedule AS s ON s.id = r.schedule_id
    WHERE r.workspace_connector_sync_log_id = CAST(:run_id AS uuid)
        AND r.deleted_at IS NULL
        AND (CAST(:workspace AS uuid) IS NULL OR w.public_id = CAST(:workspace AS uuid))
),

leased AS (
    UPDATE workspace_connector_sync_log AS r
    SET status = 'in_progress',
        fence = r.fence + 1,
        attempt = r.attempt + 1,
        admitted_at = coalesce(r.admitted_at, (SELECT at FROM instant)),
        next_attempt_at = NULL,
        connector_held_until = NULL,
        error = NULL,
        started_at = coalesce(r.started_at, (SELECT at FROM instant)),
        reading_since = CASE
            WHEN r.slices = 0 AND r.positions = CAST('{}' AS jsonb) THEN (SELECT at FROM instant)
            ELSE r.reading_since
        END,
        leased_at = (SELECT at FROM instant),
        lost_tasks = 0,
        config_version = f.config_version,
        metadata = CASE
            WHEN f.has_started THEN r.metadata
            ELSE r.metadata || jsonb_build_object(
                'drift_ms',
                greatest(
                    0,
                    CAST(
                        extract(EPOCH FROM (SELECT at FROM instant) - r.not_before_at) * 1000
                        AS bigint
                    )
                ),
                'cold_start',
                CAST(:cold_start AS boolean)
            )
        END,
        lease_expires_at = (SELECT at FROM instant) + CAST(:lease AS interval)
    FROM facts AS f
    WHERE r.id = f.id
        AND r.status = 'scheduled'
        AND r.attempt < r.max_attempts
        -- Of the row as it is now: it may have been taken back since it was looked at.
        AND (r.task_generation <> CAST(:generation AS integer)) IS NOT TRUE
        AND f.connector_is_usable
        AND NOT f.is_too_early
        AND NOT f.is_halted
        AND NOT f.overlaps
        AND f.has_room
    RETURNING r.id, r.fence, r.attempt, r.started_at, r.leased_at, r.schedule_id
),

shown AS (
    UPDATE sync_schedule AS s
    SET last_run_status = 'running',
        last_run_at = l.started_at,
        last_run_error = NULL
    FROM leased AS l
    WHERE s.id = l.schedule_id
),

noted AS (
    INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
    SELECT
        f.workspace_id,
        l.id,
        (SELECT at FROM instant),
        'started',
        jsonb_build_object('attempt', l.attempt, 'fence', l.fence)
        || CASE
            WHEN f.slices > 0 THEN jsonb_build_object('slice', f.slices + 1)
            ELSE CAST('{}' AS jsonb)
        END
    FROM leased AS l
    JOIN facts AS f ON f.id = l.id
)

SELECT
    f.id,
    f.public_id,
    f.workspace_id,
    f.connector_id,
    f.status,
    f.trigger_type,
    f.period_at,
    f.not_before_at,
    f.max_attempts,
    f.slices,
    f.positions,
    f.metadata,
    f.records_failed,
    f.throttled_since,
    f.has_started,
    f.is_stale,
    f.connector_public_id,
    f.connector_type,
    f.config,
    f.access_version,
    f.workspace_public_id,
    f.workspace_slug,
    f.connector_is_usable,
    f.overlap_policy,
    f.nominal_at,
    f.timezone,
    f.is_too_early,
    f.is_halted,
    f.overlaps,
    f.another_waits,
    f.has_room,
    l.fence,
    l.attempt,
    l.started_at,
    l.leased_at,
    (
        SELECT jsonb_agg(
            jsonb_build_object(
                'stream', m.stream,
                'cursor', m.cursor,
                'value', m.value,
                -- A run sets the watermark of a stream that has a table; a person that of any.
                'has_landed', m.run_id IS NOT NULL OR EXISTS (
                    SELECT FROM connector_stream AS t
                    WHERE t.connector_id = m.connector_id
                        AND t.stream = m.stream
                        AND t.dataset_table IS NOT NULL
                )
            )
        )
        FROM sync_watermark AS m
        WHERE m.connector_id = f.connector_id
    ) AS watermarks,
    -- The connector whose dataset this one reads, if it is of the same workspace.
    (
        SELECT o.public_id
        FROM workspace_connector AS o
        WHERE o.workspace_id = f.workspace_id
            AND o.deleted_at IS NULL
            AND o.public_id = CASE
                WHEN f.config #>> '{dataset,connector_id}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                    THEN CAST(f.config #>> '{dataset,connector_id}' AS uuid)
            END
    ) AS dataset_connector,
    k.ciphertext,
    k.nonce,
    k.wrapped_key,
    k.key_version
FROM facts AS f
LEFT JOIN leased AS l ON l.id = f.id
LEFT JOIN connector_credential AS k ON k.connector_id = f.connector_id
