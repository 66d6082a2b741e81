-- How many runs by hand a workspace may start now, without spending any: see spend_triggers.sql.
SELECT
    CAST(
        floor(
            extract(
                EPOCH FROM interval '1 minute'
                - greatest(
                    interval '0',
                    coalesce(a.spent_until, statement_timestamp()) - statement_timestamp()
                )
            )
            * w.manual_triggers_per_minute / 60
        ) AS integer
    ) AS left_now
FROM workspace AS w
LEFT JOIN trigger_allowance AS a ON a.workspace_id = w.id
WHERE w.id = :workspace_id
