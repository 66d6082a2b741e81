"""Many schedules in a world, made in bulk: each hourly, on one of fifty different minutes."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from shared.domain.zone_data import zone_data_version
from tests.faults.world import CADENCE, World, open_world

MINUTES = 50
"""The ten minutes to come are free of periods, so that nothing falls due while a test looks."""

_FILL = """
WITH home AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS places
    FROM workspace
), crowd AS (
    SELECT n, CAST(%(newest)s AS timestamptz) - n %% %(minutes)s * interval '1 minute' AS newest
    FROM generate_series(1, %(schedules)s) AS n
), connector AS (
    INSERT INTO workspace_connector (workspace_id, connector_type, name, config)
    SELECT home.id, 'database', %(crowd)s || n, '{}'
    FROM crowd JOIN home ON home.place = n %% home.places
    RETURNING id, workspace_id, name
), schedule AS (
    INSERT INTO sync_schedule (
        workspace_id, connector_id, name, frequency, cron_expression, timezone, overlap_policy,
        missed_run_policy, catch_up_window_seconds, zone_data_version, planned_through,
        next_scheduled_at
    )
    SELECT
        connector.workspace_id, connector.id, connector.name, 'custom',
        extract(MINUTE FROM crowd.newest) || ' * * * *', 'UTC', 'queue_one', 'run_all', 31536000,
        %(zone_data)s, crowd.newest - %(missed)s, crowd.newest - %(missed)s + %(cadence)s
    FROM connector JOIN crowd ON connector.name = %(crowd)s || crowd.n
    RETURNING id, planned_through
)
INSERT INTO fault_log.expected (schedule_id, mark) SELECT id, planned_through FROM schedule
"""


def add_crowd(world: World, schedules: int, *, periods: int) -> datetime:
    """Add connectors without records, whose last `periods` periods were missed; return this minute.

    What falls due in the hour before it does so minute by minute; none does in the ten after it.
    """
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    values = {
        "crowd": f"crowd {uuid4().hex[:8]} ",
        "newest": minute - timedelta(minutes=1),
        "minutes": MINUTES,
        "schedules": schedules,
        "zone_data": zone_data_version(),
        "cadence": CADENCE,
        "missed": periods * CADENCE,
    }
    with closing(open_world(world.dataset_url)) as connection, connection.cursor() as cursor:
        cursor.execute(_FILL, values)
    return minute
