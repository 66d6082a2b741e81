"""How the dispatcher scales: `python -m tests.benchmarks.dispatch --schedules 1000000 --due 10000`.

Prints ratios of one run: an empty tick and a tick with 100 due at many schedules against 1,000,
and claim and enqueue of many due runs against a bare loop that only creates as many tasks.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from google.cloud import tasks_v2
from sqlalchemy import Engine, text

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from infra.local.postgres import PostgresServer, start_postgres
from shared.flow.tick import run_tick
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from shared.store.engine import create_engine_for
from shared.store.migrate import upgrade
from tests.settings import make_settings

_LOOK_AHEAD = timedelta(seconds=90)
_BUDGET = timedelta(minutes=10)
_START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
_WORKSPACES = 1_000

_FILL = (
    (
        "INSERT INTO workspace (slug, name, max_concurrent_syncs)"
        " SELECT 'w' || n, 'w', 1000 FROM generate_series(1, :workspaces) AS n"
    ),
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT w.id, 'database', 'c' || n, '{}' FROM generate_series(1, :schedules) AS n"
        " JOIN workspace AS w ON w.id = 1 + mod(n, :workspaces)"
    ),
    # Far from due, a second apart; each tick below brings some of them forward.
    (
        "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, preferred_time,"
        " timezone, planned_through, next_scheduled_at)"
        " SELECT workspace_id, id, name, 'daily', '02:00', 'Europe/Oslo', :now,"
        " CAST(:now AS timestamptz) + interval '1 day' + id * interval '1 second'"
        " FROM workspace_connector"
    ),
)
_BRING_FORWARD = (
    "UPDATE sync_schedule SET planned_through = CAST(:now AS timestamptz) - interval '1 day',"
    " next_scheduled_at = CAST(:now AS timestamptz)"
    " WHERE id IN (SELECT id FROM sync_schedule WHERE next_scheduled_at > :now"
    " ORDER BY id DESC LIMIT :due)"
)


def main() -> None:
    """Run the benchmark and print its ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=10_000)
    wanted = parser.parse_args()
    logging.disable()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data") as server,
        running_cloud_tasks() as cloud,
    ):
        few = _Dispatcher(server, cloud, 1_000)
        many = _Dispatcher(server, cloud, wanted.schedules)
        empty = few.empty_tick(), many.empty_tick()
        hundred = few.tick_with(100), many.tick_with(100)
        claimed = many.seconds(wanted.due)
        bare = many.bare_seconds(wanted.due)
        few.close()
        many.close()
    print(f"schedules: {wanted.schedules:,} against 1,000")
    _print_ratio("empty tick", *empty)
    _print_ratio("tick with 100 due", *hundred)
    print(
        f"claim and enqueue {wanted.due:,} due: {wanted.due / claimed:,.0f} runs/s;"
        f" bare loop: {wanted.due / bare:,.0f} tasks/s; ratio {bare / claimed:.2f} (at least 0.70)"
    )


def _print_ratio(what: str, few: float, many: float) -> None:
    print(f"{what}: {many * 1e3:.1f} ms against {few * 1e3:.1f} ms; ratio {many / few:.2f}")


class _Dispatcher:
    """A dispatcher on a database of its own with so many schedules."""

    def __init__(self, server: PostgresServer, cloud: RunningCloudTasks, schedules: int) -> None:
        name = f"bench_{uuid4().hex[:8]}"
        server.create_database(name)
        upgrade(server.url(name))
        self._engine: Engine = create_engine_for(server.url(name))
        _fill(self._engine, schedules)
        self._settings = make_settings()
        self._open = cloud.client()
        self._client = self._open.__enter__()
        ensure_queues(self._client, self._settings)
        for queue in (self._settings.scheduled_queue, self._settings.interactive_queue):
            self._client.pause_queue(name=self._path(queue))
        self._queue = CloudTasksQueue(self._client, self._settings)

    def empty_tick(self) -> float:
        """Return the median seconds of a tick with nothing due."""
        return statistics.median(_timed(self._tick) for _ in range(30))

    def tick_with(self, due: int) -> float:
        """Return the median seconds of a tick with so many due."""
        return statistics.median(self.seconds(due) for _ in range(7))

    def seconds(self, due: int) -> float:
        """Return the seconds of one tick with so many due."""
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM workspace_connector_sync_log"))
            connection.execute(text(_BRING_FORWARD), {"now": _START, "due": due})
        with _autocommit(self._engine) as execute:
            execute("VACUUM ANALYZE")
        return _timed(lambda: self._tick(due))

    def bare_seconds(self, count: int) -> float:
        """Return the seconds of a loop that only creates tasks with the same client."""
        parent = self._path(self._settings.scheduled_queue)
        request = tasks_v2.HttpRequest(url=self._settings.worker_url, body=b"{}")

        def create() -> None:
            for _ in range(count):
                name = f"{parent}/tasks/{uuid4().hex}"
                task = tasks_v2.Task(name=name, http_request=request)
                self._client.create_task(parent=parent, task=task)

        return _timed(create)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()
        self._open.__exit__(None, None, None)

    def _tick(self, due: int = 0) -> None:
        report = run_tick(
            self._engine, self._queue, look_ahead=_LOOK_AHEAD, budget=_BUDGET, now=_START
        )
        if report.enqueued != due or report.due != due:
            raise RuntimeError(f"expected {due} runs: {report}")

    def _path(self, queue: str) -> str:
        return self._client.queue_path(self._settings.project, self._settings.location, queue)


def _fill(engine: Engine, schedules: int) -> None:
    parameters = {"workspaces": _WORKSPACES, "schedules": schedules, "now": _START}
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in _FILL:
            connection.execute(text(statement), parameters)
    with _autocommit(engine) as execute:
        execute("VACUUM ANALYZE")


@contextmanager
def _autocommit(engine: Engine) -> Iterator[Callable[[str], object]]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        yield lambda statement: connection.execute(text(statement))


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
