"""What the crew asks of the world and does to its sources, on one connection that may break."""

from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)

from shared.domain.task import read_task
from tests.faults.scale import share
from tests.faults.table_queue import DueTask
from tests.faults.world import World, grow, lose, open_world

_UNFINISHED = """
SELECT count(*) FROM workspace_connector_sync_log
WHERE status IN ('scheduled', 'in_progress') AND (period_at IS NULL OR period_at <= now())
"""
_HELD = """
SELECT max(l.epoch) FROM fault_log.lease AS l
JOIN workspace_connector_sync_log AS r ON r.workspace_connector_sync_log_id = l.run
WHERE l.run = %s AND r.status = 'in_progress'
"""
_OVERTAKEN = """
SELECT
    (r.completed_at IS NOT NULL AND r.fence > l.fence)
    OR EXISTS (SELECT FROM fault_log.lease AS n WHERE n.run = l.run AND n.epoch > l.epoch)
FROM fault_log.lease AS l
JOIN workspace_connector_sync_log AS r ON r.workspace_connector_sync_log_id = l.run
WHERE l.epoch = %s
"""
_MOST_RECORDS = 6
_MOST_CHANGES = 3
_FIRST_RECORDS = 30


class Observer:
    """Looks on from outside, and changes sources; while the database is away it does nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._connection: Connection | None = None

    def is_drained(self) -> bool:
        """Tell whether every run whose time has come has its end."""
        return self._ask(_UNFINISHED) == 0

    def lease_held(self, task: DueTask | None) -> int | None:
        """Return the newest lease of a task's run, if the run is in progress."""
        run = _run_of(task)
        return None if run is None else self._ask(_HELD, run)

    def is_overtaken(self, epoch: int) -> bool:
        """Tell whether a later lease of the run was taken, or others have ended the run."""
        return self._ask(_OVERTAKEN, epoch) or False

    def grow_one(self, seed: int, number: int) -> None:
        """Let one source grow, by what the seed says."""
        place = int(share(seed, "where", number) * len(self._world.connectors))
        self._grow(place, seed, number)

    def grow_all(self, seed: int) -> None:
        """Let every source grow once more."""
        for place in range(len(self._world.connectors)):
            self._grow(place, seed, place)

    def _grow(self, place: int, seed: int, number: int) -> None:
        records = int(share(seed, "records", number) * _MOST_RECORDS)
        changes = int(share(seed, "changes", number) * (_MOST_CHANGES + 1))
        again = [
            1 + int(share(seed, "again", number, each) * _FIRST_RECORDS) for each in range(changes)
        ]
        step = int(share(seed, "step", number) * 2)
        try:
            connector, is_whole = self._world.connectors[place], self._world.is_whole
            grow(self._open(), connector, records=records, step=step, again=again, spoils=is_whole)
            if is_whole:
                lost = 1 + int(share(seed, "lost", number) * _FIRST_RECORDS)
                lose(self._open(), connector, [lost])
        except psycopg2.Error:
            self._connection = None

    def _ask(self, query: str, *parameters: Any) -> Any:
        try:
            with self._open().cursor() as cursor:
                cursor.execute(query, parameters)
                row = cursor.fetchone()
        except psycopg2.Error:
            self._connection = None
            return None
        return None if row is None else row[0]

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = open_world(self._world.dataset_url)
        return self._connection


def _run_of(task: DueTask | None) -> str | None:
    call = None if task is None else read_task(task.body)
    return None if call is None else str(call.run)
