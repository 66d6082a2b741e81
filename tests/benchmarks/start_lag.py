"""From the nominal instant to the start of a run: `python -m tests.benchmarks.start_lag`.

The whole way (tick, claim, task over gRPC, delivery over HTTP, lease) with a connector that does
nothing: one due run alone, and many due in the same second, whose lag the worker's throughput
bounds.
"""

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from infra.local.cloud_tasks.running import running_cloud_tasks
from infra.local.logins import make_logins, with_login
from infra.local.ports import free_port
from infra.local.postgres import start_postgres
from shared.config import Settings
from shared.flow.tick import run_tick
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from shared.store.engine import create_engine_for
from shared.store.migrate import upgrade

_ROOT = Path(__file__).resolve().parents[2]
_LEAD = timedelta(seconds=8)
_WAIT_SECONDS = 180.0
# Runs as planning writes them, all due in one second; cron itself goes by the minute.
_FILL = (
    (
        "INSERT INTO workspace (slug, name, max_concurrent_syncs)"
        " SELECT 'w' || n, 'w', 1000 FROM generate_series(1, 50) AS n"
    ),
    (
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT (SELECT min(id) FROM workspace) + mod(n, 50), 'noop', 'c' || n, '{}'"
        " FROM generate_series(1, CAST(:due AS integer)) AS n"
    ),
    (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, trigger_type,"
        " idempotency_key, period_at, not_before_at)"
        " SELECT workspace_id, id, 'cloud_task', public_id || ':' || :period,"
        " CAST(:period AS timestamptz), CAST(:period AS timestamptz) FROM workspace_connector"
    ),
)
_ENDED = text(
    "SELECT extract(EPOCH FROM started_at - not_before_at) * 1000 AS lag_ms,"
    " extract(EPOCH FROM completed_at) AS ended FROM workspace_connector_sync_log"
    " WHERE period_at = :period AND status = 'success'"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--due", type=int, default=1_000)
    due = parser.parse_args().due
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
            alone = [_lags(engine, queue, 1)[0] for _ in range(5)]
            many = sorted(_lags(engine, queue, due))
        engine.dispose()
    print(f"one due run alone: median {statistics.median(alone):.0f} ms (at most 250)")
    p50, p99 = many[len(many) // 2], many[int(len(many) * 0.99)]
    print(f"{due:,} due in one second: p50 {p50:.0f} ms, p99 {p99:.0f} ms, last {many[-1]:.0f} ms")
    print(f"worker throughput: {due / (many[-1] / 1000):,.0f} runs/s")


def _lags(engine: Engine, queue: CloudTasksQueue, due: int) -> list[float]:
    period = datetime.now(UTC).replace(microsecond=0) + _LEAD
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE workspace CASCADE"))
        for statement in _FILL:
            connection.execute(text(statement), {"period": period, "due": due})
    run_tick(engine, queue, look_ahead=timedelta(minutes=2), budget=timedelta(seconds=45))
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        with engine.connect() as connection:
            ended = connection.execute(_ENDED, {"period": period}).all()
        if len(ended) == due:
            return [float(lag) for lag, _ in ended]
        time.sleep(0.25)
    raise RuntimeError(f"only {len(ended)} of {due} runs ended")


def worker_environment(database: str, port: int, tasks: str, certs: str) -> dict[str, str]:
    """Return the variables of a deployment whose worker listens on `port`."""
    return {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "THREADS": "16",
        "SYNCLINE_POOL_SIZE": "16",
        "SYNCLINE_DATABASE_URL": database,
        "SYNCLINE_DATASET_URL": database,
        "SYNCLINE_WORKER_URL": f"http://127.0.0.1:{port}/",
        "SYNCLINE_DISPATCHER_URL": "http://127.0.0.1:1/",
        "SYNCLINE_TASKS_SERVICE_ACCOUNT": "tasks@bench.iam.gserviceaccount.com",
        "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": "scheduler@bench.iam.gserviceaccount.com",
        "SYNCLINE_OIDC_CERTS_URL": certs,
        "CLOUD_TASKS_EMULATOR_HOST": tasks,
        "SYNCLINE_LOG_FORMAT": "json",
    }


@contextmanager
def serve_worker(environment: dict[str, str], port: int) -> Iterator[None]:
    """Serve a worker whose connector does nothing, until the block ends; it has its own login."""
    url = with_login(environment["SYNCLINE_DATABASE_URL"], "worker")
    of_worker = {**environment, "SYNCLINE_DATABASE_URL": url}
    source = ("--source", "tests/benchmarks/noop_worker.py", "--target", "worker")
    address = ("--host", "127.0.0.1", "--port", str(port))
    command = [sys.executable, "-m", "functions_framework", *source, *address]
    process = subprocess.Popen(
        command, cwd=_ROOT, env=of_worker, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_it_answers(port)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_it_answers(port: int) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the worker does not answer")


if __name__ == "__main__":
    main()
