-- Schedules whose next period was computed with older zone data, soonest first.
SELECT s.id
FROM sync_schedule AS s
WHERE s.next_scheduled_at IS NOT NULL
    AND s.zone_data_version < CAST(:version AS text)
ORDER BY s.zone_data_version, s.next_scheduled_at
LIMIT CAST(:page AS integer)
