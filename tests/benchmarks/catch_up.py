"""How the dispatcher catches up: `python -m tests.benchmarks.catch_up --schedules 100000`.

Hourly schedules that each missed 72 periods while no tick came: seconds in all and of the longest
tick, against a bare loop that only inserts as many log rows. Workspaces have the default places.
"""

import argparse
import logging
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from infra.local.cloud_tasks.running import running_cloud_tasks
from infra.local.postgres import start_postgres
from shared.flow.tick import run_tick
from tests.benchmarks.dispatch import LOOK_AHEAD, START, Dispatcher

_BUDGET = timedelta(seconds=40)
"""As a deployment sets it, so that a tick ends within 45 seconds."""
_MISSED = timedelta(hours=72)
_GO_AWAY = (
    "UPDATE sync_schedule SET frequency = 'custom', preferred_time = NULL,"
    " cron_expression = mod(id, 60) || ' * * * *', planned_through = :mark,"
    " next_scheduled_at = CAST(:mark AS timestamptz) + interval '1 microsecond'"
)


def main() -> None:
    """Run the benchmark and print what a catch-up took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--places", type=int, default=5)
    wanted = parser.parse_args()
    logging.disable()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data") as server,
        running_cloud_tasks() as cloud,
    ):
        dispatcher = Dispatcher(server, cloud, wanted.schedules)
        with dispatcher.engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(
                text("UPDATE workspace SET max_concurrent_syncs = :places"),
                {"places": wanted.places},
            )
            connection.execute(text(_GO_AWAY), {"mark": START - _MISSED})
        ticks = _catch_up(dispatcher)
        rows, periods, runs = _written(dispatcher)
        dispatcher.close()
    print(
        f"{wanted.schedules:,} schedules that each missed 72 periods,"
        f" {wanted.places} places a workspace"
    )
    print(
        f"{sum(ticks):.1f} s in {len(ticks)} ticks, the longest {max(ticks):.1f} s"
        f" (at most 60 in all, 45 each); {periods:,} periods in {rows:,} rows, {runs:,} runs"
    )


def _catch_up(dispatcher: Dispatcher) -> list[float]:
    seconds: list[float] = []
    is_complete = False
    while not is_complete:
        start = time.perf_counter()
        report = run_tick(
            dispatcher.engine, dispatcher.queue, look_ahead=LOOK_AHEAD, budget=_BUDGET, now=START
        )
        seconds.append(time.perf_counter() - start)
        is_complete = report.is_complete
    return seconds


def _written(dispatcher: Dispatcher) -> tuple[int, int, int]:
    with dispatcher.engine.connect() as connection:
        query = text(
            "SELECT count(*), sum(period_count), count(*) FILTER (WHERE status = 'scheduled')"
            " FROM workspace_connector_sync_log"
        )
        rows, periods, runs = connection.execute(query).one()
        return rows, periods, runs


if __name__ == "__main__":
    main()
