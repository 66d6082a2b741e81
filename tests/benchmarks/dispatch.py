"""How the dispatcher scales: `python -m tests.benchmarks.dispatch --schedules 1000 1000000`.

Prints an empty tick, a tick with 100 due and one with 10,000 due at each number of schedules, as
ratios to the smallest number; and claim and enqueue of the 10,000 due against a bare loop that only
creates as many tasks.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from google.cloud import tasks_v2
from sqlalchemy import Engine, text

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from infra.local.postgres import PostgresServer, start_postgres
from shared.domain.zone_data import zone_data_version
from shared.flow.tick import run_tick
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from shared.store.engine import create_engine_for
from shared.store.migrate import upgrade
from tests.settings import make_settings

LOOK_AHEAD = timedelta(seconds=90)
_BUDGET = timedelta(minutes=10)
START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
_WORKSPACES = 1_000
_MANY = 10_000
_ROUNDS = {0: 60, 100: 9, _MANY: 3}
"""How often a tick with so many due is measured."""

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
        " timezone, zone_data_version, planned_through, next_scheduled_at)"
        " SELECT workspace_id, id, name, 'daily', '02:00', 'Europe/Oslo', :version, :now,"
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
    sizes = [1_000, 100_000, 1_000_000]
    parser.add_argument("--schedules", type=int, nargs="+", default=sizes)
    wanted = parser.parse_args()
    logging.disable()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data") as server,
        running_cloud_tasks() as cloud,
    ):
        dispatchers = [Dispatcher(server, cloud, schedules) for schedules in wanted.schedules]
        for due, rounds in _ROUNDS.items():
            _compare([one for one in dispatchers if one.schedules >= due], due, rounds)
        if dispatchers[-1].schedules >= _MANY:
            _print_throughput(dispatchers[-1])
        for dispatcher in dispatchers:
            dispatcher.close()


def _compare(dispatchers: "Sequence[Dispatcher]", due: int, rounds: int) -> None:
    """Print the median seconds of a tick with so many due, and their ratio to the first one's."""
    seconds: dict[int, list[float]] = {one.schedules: [] for one in dispatchers}
    # By turns, so that a machine that is busy for a while is so for all of them.
    for _ in range(rounds):
        for one in dispatchers:
            seconds[one.schedules].append(one.seconds(due))
    medians = {schedules: statistics.median(taken) for schedules, taken in seconds.items()}
    for schedules, median in medians.items():
        ratio = median / next(iter(medians.values()))
        print(
            f"{due:>6,} due of {schedules:>9,} schedules: {median * 1e3:8.1f} ms;"
            f" ratio to the fewest schedules {ratio:.2f}",
            flush=True,
        )


def _print_throughput(dispatcher: "Dispatcher") -> None:
    claimed, bare = dispatcher.seconds(_MANY), dispatcher.bare_seconds(_MANY)
    print(
        f"claim and enqueue {_MANY:,} due: {_MANY / claimed:,.0f} runs/s;"
        f" bare loop: {_MANY / bare:,.0f} tasks/s; ratio {bare / claimed:.2f} (at least 0.70)",
        flush=True,
    )


class Dispatcher:
    """A dispatcher on a database of its own with so many schedules."""

    def __init__(self, server: PostgresServer, cloud: RunningCloudTasks, schedules: int) -> None:
        self.schedules = schedules
        name = f"bench_{uuid4().hex[:8]}"
        server.create_database(name)
        upgrade(server.url(name))
        self.engine: Engine = create_engine_for(server.url(name))
        _fill(self.engine, schedules)
        self._settings = make_settings()
        self._open = cloud.client()
        self._client = self._open.__enter__()
        ensure_queues(self._client, self._settings)
        for queue in (self._settings.scheduled_queue, self._settings.interactive_queue):
            self._client.pause_queue(name=self._path(queue))
        self.queue = CloudTasksQueue(self._client, self._settings)

    def seconds(self, due: int) -> float:
        """Return the seconds of one tick with so many due."""
        if due == 0:
            return _timed(self._tick)
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM workspace_connector_sync_log"))
            connection.execute(text(_BRING_FORWARD), {"now": START, "due": due})
        with _autocommit(self.engine) as execute:
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
        self.engine.dispose()
        self._open.__exit__(None, None, None)

    def _tick(self, due: int = 0) -> None:
        report = run_tick(self.engine, self.queue, look_ahead=LOOK_AHEAD, budget=_BUDGET, now=START)
        if report.enqueued != due or report.due != due:
            raise RuntimeError(f"expected {due} runs: {report}")

    def _path(self, queue: str) -> str:
        return self._client.queue_path(self._settings.project, self._settings.location, queue)


def _fill(engine: Engine, schedules: int) -> None:
    parameters = {
        "workspaces": _WORKSPACES,
        "schedules": schedules,
        "now": START,
        "version": zone_data_version(),
    }
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        # Without the checks of foreign keys: these rows fit by themselves.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
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
