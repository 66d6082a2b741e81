"""A world in which every decision hangs on what time it is, and what was decided in it."""

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.faults.world import World, open_world

CONNECTORS = 8

# Periods 150, 90 and 30 minutes ago: none is near any limit, whenever the test runs.
_MARK = """
WITH marked AS (
    UPDATE fault_log.expected SET mark = date_trunc('minute', now()) - interval '210 minutes'
    RETURNING schedule_id, mark
)
UPDATE sync_schedule AS s SET
    cron_expression = extract(MINUTE FROM m.mark) || ' * * * *',
    planned_through = m.mark,
    next_scheduled_at = m.mark + interval '1 microsecond'
FROM marked AS m WHERE m.schedule_id = s.id
"""
_SETTINGS = {
    1: "catch_up_window_seconds = 7200",
    2: "paused_until = now() + interval '1 hour'",
    3: "paused_until = now() - interval '1 hour'",
}
_STARTED = "'in_progress', 1, 1, {0}, {0}, {0}, {0}, {0}".format("now() - interval '10 minutes'")
_RUNS = {
    4: f"{_STARTED}, now() + interval '1 hour'",  # its worker lives
    5: f"{_STARTED}, now() - interval '1 hour'",  # its worker died
    6: "'scheduled', 0, 0, now() - interval '1 hour', now() - interval '1 hour',"
    " now() - interval '1 hour', NULL, NULL, NULL",  # its task was lost
    # The last one is to start in an hour.
    7: "'scheduled', 0, 0, now() + interval '1 hour', now(), now(), NULL, NULL, NULL",
}
_INSERT = """
INSERT INTO workspace_connector_sync_log (
    workspace_id, connector_id, schedule_id, trigger_type, idempotency_key,
    status, attempt, fence, not_before_at, admitted_at, enqueued_at, started_at, leased_at,
    lease_expires_at
)
SELECT workspace_id, connector_id, id, 'manual', 'clock:' || id, {values}
FROM sync_schedule WHERE public_id = %s
RETURNING workspace_connector_sync_log_id
"""
_DECISIONS = """
SELECT
    'run',
    array_position(CAST(%s AS uuid[]), s.public_id),
    CAST(extract(EPOCH FROM r.period_at - m.mark) AS integer) / 60,
    r.status,
    r.reason,
    r.attempt,
    r.fence,
    r.task_generation,
    (SELECT array_agg(e.kind ORDER BY e.id) FROM sync_log_event AS e WHERE e.run_id = r.id)
FROM workspace_connector_sync_log AS r
JOIN sync_schedule AS s ON s.id = r.schedule_id
JOIN fault_log.expected AS m ON m.schedule_id = s.id
UNION ALL
SELECT
    'schedule',
    array_position(CAST(%s AS uuid[]), s.public_id),
    NULL,
    s.last_run_status,
    s.last_run_error,
    NULL,
    NULL,
    CAST(extract(EPOCH FROM s.next_scheduled_at - m.mark) AS integer) / 60,
    NULL
FROM sync_schedule AS s
JOIN fault_log.expected AS m ON m.schedule_id = s.id
ORDER BY 1, 2, 3, 4
"""
_BEYOND = """
SELECT 'event ' || kind, happened_at FROM sync_log_event
WHERE happened_at NOT BETWEEN %s AND now()
UNION ALL
SELECT 'tick', as_of FROM tick
WHERE as_of NOT BETWEEN %s AND now() OR completed_at NOT BETWEEN %s AND now()
UNION ALL
SELECT 'run ' || id, completed_at FROM workspace_connector_sync_log
WHERE completed_at NOT BETWEEN %s AND now()
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A world, when its scene was set by the database's clock, and a task that comes too early."""

    world: World
    began: datetime
    early_task: bytes

    def decisions(self) -> list[tuple[Any, ...]]:
        """Return what became of each run, and what each schedule shows; periods in minutes.

        The first value tells which of the two a row is about.
        """
        schedules = [str(schedule) for schedule in self.world.schedules]
        return self.world.rows(_DECISIONS, schedules, schedules)

    def beyond_time(self) -> list[tuple[Any, ...]]:
        """Return what was written with an instant that has not been since the scene was set."""
        return self.world.rows(_BEYOND, *[self.began] * _BEYOND.count("%s"))


def set_scene(world: World) -> Scene:
    """Change a fresh world so that its schedules differ in what the time decides.

    That is which periods are too old, whether a pause is over, whether a lease is, whether a task
    is lost, and whether a run may start.
    """
    with closing(open_world(world.dataset_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        [(began,)] = cursor.fetchall()
        cursor.execute(_MARK)
        for place, setting in _SETTINGS.items():
            query = f"UPDATE sync_schedule SET {setting} WHERE public_id = %s"
            cursor.execute(query, (str(world.schedules[place]),))
        for place, values in _RUNS.items():
            cursor.execute(_INSERT.format(values=values), (str(world.schedules[place]),))
        [(run,)] = cursor.fetchall()
    return Scene(world, began, json.dumps({"run_id": str(run)}).encode())
