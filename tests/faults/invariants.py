"""What must hold whatever happens, asked of the database in SQL."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from tests.faults.world import CADENCE, World, open_world

_SHOWN = 5
_LEASES_OF_GRACE = 3


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, and by what."""

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


def broken_now(world: World, lease: timedelta) -> list[Violation]:
    """Return which of the rules that hold at every moment are broken; `lease` is the workers'."""
    return _ask(world, _ALWAYS, lease)


def broken_at_rest(world: World, lease: timedelta) -> list[Violation]:
    """Return which rules are broken once nothing runs and nothing is due any more."""
    return _ask(world, {**_ALWAYS, **_AT_REST}, lease)


def unfinished(world: World) -> int:
    """Return how many runs whose time has come have no end yet."""
    [(count,)] = world.rows(f"SELECT count(*) FROM ({_UNFINISHED}) AS r")
    return count


def _ask(world: World, rules: Mapping[str, str], lease: timedelta) -> list[Violation]:
    parameters = {"cadence": CADENCE, "grace": lease * _LEASES_OF_GRACE}
    found: list[Violation] = []
    with closing(open_world(world.dataset_url)) as connection, connection.cursor() as cursor:
        for rule, query in rules.items():
            cursor.execute(f"{query} LIMIT {_SHOWN}", parameters)
            found += [Violation(rule, _detail(row)) for row in cursor.fetchall()]
    return found


def _detail(row: Sequence[object]) -> str:
    return ", ".join(str(value) for value in row)


_SEEN = "(SELECT max(t.as_of) FROM tick AS t WHERE t.completed_at IS NOT NULL)"
"""Up to which instant the dispatcher has looked; what comes due after it is nobody's fault."""
_UNFINISHED = f"""
SELECT 'run ' || id, status, 'period ' || period_at, 'attempt ' || attempt
FROM workspace_connector_sync_log
WHERE status IN ('scheduled', 'in_progress') AND (period_at IS NULL OR period_at <= {_SEEN})
"""

# Each asks for what breaks the rule, so that no row is the good answer.
_ALWAYS = {
    "what a row may never do": "SELECT rule, detail FROM fault_log.wrong",
    "a period has one row": """
SELECT 'connector ' || connector_id, 'period ' || period_at, count(*)
FROM workspace_connector_sync_log WHERE period_at IS NOT NULL
GROUP BY connector_id, period_at HAVING count(*) > 1
""",
    "a connector has at most one run in progress": """
SELECT 'connector ' || connector_id, count(*)
FROM workspace_connector_sync_log WHERE status = 'in_progress'
GROUP BY connector_id HAVING count(*) > 1
""",
    "a workspace has no more runs in progress than it may": """
SELECT 'workspace ' || w.id, count(*), 'of ' || w.max_concurrent_syncs
FROM workspace_connector_sync_log AS r
JOIN workspace AS w ON w.id = r.workspace_id
WHERE r.status = 'in_progress'
GROUP BY w.id HAVING count(*) > w.max_concurrent_syncs
""",
    # A whole tick came later than three leases after the end of this one: it should have seen it.
    "no run is in progress long after its lease": f"""
SELECT 'run ' || r.id, 'lease until ' || r.lease_expires_at
FROM workspace_connector_sync_log AS r
WHERE r.status = 'in_progress' AND r.lease_expires_at + %(grace)s < {_SEEN}
""",
    "a source that asked for a pause is left alone": """
SELECT 'connector ' || p.connector, 'until ' || p.until, 'read by ' || l.run || ' at ' || l.taken_at
FROM fault_source.pause AS p
JOIN workspace_connector AS c ON c.public_id = p.connector
JOIN fault_log.lease AS l ON l.connector_id = c.id AND l.taken_at > p.asked_at
WHERE l.taken_at < p.until
""",
    "a cancelled run has its end and its reason": """
SELECT 'run ' || id FROM workspace_connector_sync_log
WHERE status = 'cancelled' AND (completed_at IS NULL OR reason IS NULL)
""",
    "a connector that was disabled or deleted has no run under way": """
SELECT 'connector ' || c.id, c.status, 'run ' || r.id, r.status
FROM workspace_connector AS c
JOIN workspace_connector_sync_log AS r ON r.connector_id = c.id
WHERE (c.deleted_at IS NOT NULL OR c.status = 'disabled')
    AND r.status IN ('scheduled', 'in_progress')
""",
    "nothing below the watermark is missing": """
SELECT 'connector ' || c.public_id, 'record ' || s.record_id, 'of ' || s.changed,
    'watermark ' || (m.value ->> 'value')
FROM sync_watermark AS m
JOIN workspace_connector AS c ON c.id = m.connector_id
JOIN fault_source.record AS s
    ON s.connector = c.public_id AND s.changed < CAST(m.value ->> 'value' AS bigint)
LEFT JOIN fault_dataset.landed AS d
    ON d.connector = s.connector AND d.record_id = s.record_id AND d.changed >= s.changed
WHERE d.record_id IS NULL
""",
    "the watermark is not ahead of the data": """
SELECT 'connector ' || c.public_id, 'watermark ' || (m.value ->> 'value'), 'data ' || d.changed
FROM sync_watermark AS m
JOIN workspace_connector AS c ON c.id = m.connector_id
LEFT JOIN (
    SELECT connector, max(changed) AS changed FROM fault_dataset.landed GROUP BY connector
) AS d ON d.connector = c.public_id
WHERE d.changed IS NULL OR CAST(m.value ->> 'value' AS bigint) > d.changed
""",
    "a record lands once": """
SELECT 'connector ' || connector, 'record ' || record_id, count(*)
FROM fault_dataset.landed GROUP BY connector, record_id HAVING count(*) > 1
""",
    "no content lands twice": """
SELECT 'connector ' || connector, content, count(*)
FROM fault_dataset.landed GROUP BY connector, content HAVING count(*) > 1
""",
}

_AT_REST = {
    "every run ends": _UNFINISHED,
    "every period has its row": f"""
SELECT 'schedule ' || s.id, 'period ' || period
FROM fault_log.expected AS e
JOIN sync_schedule AS s ON s.id = e.schedule_id
CROSS JOIN generate_series(
    e.mark + %(cadence)s, least({_SEEN}, e.until), %(cadence)s
) AS period
LEFT JOIN workspace_connector_sync_log AS r
    ON r.connector_id = s.connector_id AND r.period_at = period
WHERE r.id IS NULL
""",
    # Planning takes up again what was cancelled and never started, and says so.
    "a run is told to have ended once": """
SELECT 'run ' || run_id, ends, plannings
FROM (
    SELECT
        run_id,
        count(*) FILTER (WHERE kind IN ('succeeded', 'failed', 'skipped', 'cancelled')) AS ends,
        count(*) FILTER (WHERE kind = 'planned') AS plannings
    FROM sync_log_event GROUP BY run_id
) AS told
WHERE ends > greatest(1, plannings)
""",
    "no record is lost": """
SELECT 'connector ' || s.connector, 'record ' || s.record_id, 'of ' || s.changed,
    'landed ' || coalesce(CAST(d.changed AS text), 'nothing')
FROM fault_source.record AS s
JOIN workspace_connector AS c ON c.public_id = s.connector AND c.deleted_at IS NULL
-- Nobody can ask for a run where the schedule was deleted.
JOIN sync_schedule ON sync_schedule.connector_id = c.id
LEFT JOIN fault_dataset.landed AS d ON d.connector = s.connector AND d.record_id = s.record_id
WHERE NOT s.is_spoilt AND d.content IS DISTINCT FROM s.content
""",
    "what was reported is read": """
SELECT 'connector ' || connector_id, reported_at, runs FROM unread_change
""",
    "a record that cannot be loaded is among the rejects, once": """
SELECT 'connector ' || s.connector, 'record ' || s.record_id, count(r.record_id)
FROM fault_source.record AS s
LEFT JOIN fault_dataset.rejected AS r
    ON r.connector = s.connector AND r.record_id = s.record_id
    AND r.run_id = (
        SELECT workspace_connector_sync_log_id FROM workspace_connector_sync_log AS l
        JOIN workspace_connector AS c ON c.id = l.connector_id
        WHERE c.public_id = s.connector AND l.status = 'success'
        ORDER BY l.completed_at DESC LIMIT 1
    )
WHERE s.is_spoilt
GROUP BY s.connector, s.record_id HAVING count(r.record_id) <> 1
""",
    "no run counts a reject twice": """
SELECT 'connector ' || r.connector, 'record ' || r.record_id, r.times
FROM fault_dataset.rejected AS r
WHERE r.times > (
    SELECT count(*) FROM workspace_connector_sync_log AS l
    JOIN workspace_connector AS c ON c.id = l.connector_id
    WHERE c.public_id = r.connector AND l.started_at IS NOT NULL
)
""",
    "what was loaded stays": """
SELECT 'connector ' || w.connector, 'record ' || w.record_id, 'of ' || w.changed
FROM fault_dataset.write AS w
LEFT JOIN fault_dataset.landed AS d
    ON d.connector = w.connector AND d.record_id = w.record_id AND d.changed >= w.changed
WHERE d.record_id IS NULL
""",
    # A merge confirms its lease before it commits: it waits for a cancel that came before, and a
    # cancel waits for it.
    "a cancelled run writes nothing more": """
SELECT 'connector ' || w.connector, 'run ' || w.run, w.written_at - c.cancelled_at
FROM fault_dataset.write AS w
JOIN fault_log.cancel AS c ON c.run = w.run AND w.fence <= c.fence
WHERE w.written_at > c.cancelled_at
""",
    "no record is made up": """
SELECT 'connector ' || d.connector, 'record ' || d.record_id
FROM fault_dataset.landed AS d
LEFT JOIN fault_source.record AS s ON s.connector = d.connector AND s.record_id = d.record_id
WHERE s.record_id IS NULL
""",
    "no state of a record is written twice": """
SELECT 'connector ' || connector, 'record ' || record_id, 'of ' || changed, count(*)
FROM fault_dataset.write GROUP BY connector, record_id, changed HAVING count(*) > 1
""",
    # Writes are numbered under the merge lock: whoever writes after a later lease did is a zombie.
    "nobody writes after a later lease has written": """
SELECT 'connector ' || connector, 'run ' || run, 'fence ' || fence
FROM (
    SELECT w.*, l.epoch, max(l.epoch) OVER (PARTITION BY w.connector ORDER BY w.seq) AS newest
    FROM fault_dataset.write AS w
    LEFT JOIN fault_log.lease AS l ON l.run = w.run AND l.fence = w.fence
) AS w
WHERE epoch IS NULL OR epoch < newest
""",
    "no schedule shows a run that is none": """
SELECT 'schedule ' || s.id, s.last_run_status
FROM sync_schedule AS s
WHERE s.last_run_status = 'running' AND NOT EXISTS (
    SELECT FROM workspace_connector_sync_log AS r
    WHERE r.schedule_id = s.id AND r.status IN ('scheduled', 'in_progress')
)
""",
}
