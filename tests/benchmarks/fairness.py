"""What a busy neighbour costs: `python -m tests.benchmarks.fairness --due 10000 --places 5 100`.

One workspace has thousands of runs due in the same second as the single run of another. Printed is
how late the single one starts, with so many places for the busy one, against being alone.
"""

import argparse
import logging
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from infra.local.cloud_tasks.running import running_cloud_tasks
from infra.local.logins import make_logins
from infra.local.ports import free_port
from infra.local.postgres import start_postgres
from shared.config import Settings
from shared.flow.tick import run_tick
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from shared.store.engine import create_engine_for
from shared.store.migrate import upgrade
from tests.benchmarks.start_lag import serve_worker, worker_environment

_LEAD = timedelta(seconds=20)
"""Less than the look-ahead, so that a tick has its time before the instant."""
_WAIT_SECONDS = 120.0
_AT_MOST_SECONDS = 10
_FILL = (
    (
        "INSERT INTO workspace (slug, name, max_concurrent_syncs)"
        " VALUES ('busy', 'busy', :places), ('quiet', 'quiet', 5)"
    ),
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT w.id, 'noop', 'c' || n, '{}' FROM workspace AS w"
        " CROSS JOIN LATERAL generate_series("
        "1, CASE w.slug WHEN 'busy' THEN CAST(:due AS integer) ELSE 1 END) AS n"
    ),
    (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, trigger_type,"
        " idempotency_key, period_at, not_before_at)"
        " SELECT workspace_id, id, 'cloud_task', public_id || ':' || :period,"
        " CAST(:period AS timestamptz), CAST(:period AS timestamptz) FROM workspace_connector"
        " ORDER BY id"
    ),
)
_STARTED = text(
    "SELECT extract(EPOCH FROM r.started_at - r.not_before_at) AS seconds"
    " FROM workspace_connector_sync_log AS r JOIN workspace AS w ON w.id = r.workspace_id"
    " WHERE w.slug = 'quiet' AND r.started_at IS NOT NULL"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--places", type=int, nargs="+", default=[5, 100, 1_000])
    wanted = parser.parse_args()
    logging.disable()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data") as server,
        running_cloud_tasks() as cloud,
        cloud.client() as client,
    ):
        server.create_database("bench")
        upgrade(server.url("bench"))
        make_logins(server)
        port = free_port()
        environment = worker_environment(server.url("bench"), port, cloud.address, cloud.certs_url)
        settings = Settings.from_env(environment)
        ensure_queues(client, settings)
        engine = create_engine_for(settings.database_url)
        queue = CloudTasksQueue(client, settings)
        with serve_worker(environment, port):
            _seconds(engine, queue, due=1, places=5)  # the worker is warm from here on
            alone = _seconds(engine, queue, due=1, places=5)
            print(f"beside a single run: {alone * 1e3:.0f} ms late", flush=True)
            for places in wanted.places:
                late = _seconds(engine, queue, due=wanted.due, places=places)
                print(
                    f"beside {wanted.due:,} runs with {places:,} places: {late * 1e3:,.0f} ms late"
                    f" (at most {_AT_MOST_SECONDS} s)",
                    flush=True,
                )
                for name in (settings.scheduled_queue, settings.interactive_queue):
                    path = client.queue_path(settings.project, settings.location, name)
                    client.purge_queue(name=path)
        engine.dispose()


def _seconds(engine: Engine, queue: CloudTasksQueue, *, due: int, places: int) -> float:
    period = datetime.now(UTC).replace(microsecond=0) + _LEAD
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("TRUNCATE workspace CASCADE"))
        for statement in _FILL:
            parameters = {"period": period, "due": due, "places": places}
            connection.execute(text(statement), parameters)
    run_tick(engine, queue, look_ahead=timedelta(seconds=90), budget=timedelta(seconds=40))
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        with engine.connect() as connection:
            late = connection.execute(_STARTED).scalar_one_or_none()
        if late is not None:
            return float(late)
        time.sleep(0.25)
    raise RuntimeError("the single run did not start")


if __name__ == "__main__":
    main()
