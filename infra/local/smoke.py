"""`make smoke`: a scheduled and a manual sync of real rows through the whole stack, compared."""

import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, update

from infra.local.compare import Comparison, compare_tables
from infra.local.demo import source
from infra.local.demo.api import Api, RefusedError
from infra.local.demo.seed import seed
from infra.local.demo.state import FLIGHTS, Seeded
from infra.local.ports import Ports
from infra.local.postgres import THROW_AWAY
from infra.local.processes import signals_as_interrupts
from infra.local.stack import DATASETS, Stack, prepare, started
from infra.local.tables import as_table
from shared.errors import SynclineError
from shared.gcp.tick_job import scheduler_client
from shared.store.engine import create_engine_for
from shared.store.tables import sync_schedule

_MINUTE = timedelta(minutes=1)
_PATIENCE = timedelta(seconds=20)
_RUN_SECONDS = 90.0
_CONFLICT = 409
_LAST_LINES = 40
_COLUMNS = (
    "trigger_type",
    "status",
    "period_at",
    "started_at",
    "duration_ms",
    "attempt",
    "records_processed",
    "records_created",
    "records_updated",
)


class SmokeError(SynclineError):
    """Something came out otherwise than it has to."""

    code = "smoke"


class Smoke:
    """One pass over a stack that is up, with the demo's connector for flights."""

    def __init__(self, stack: Stack, engine: Engine, api: Api, flights: Seeded) -> None:
        self._stack = stack
        self._engine = engine
        self._api = api
        self._flights = flights

    def run_scheduled(self) -> dict[str, Any]:
        """Let the minute's period come about by itself, and return its run."""
        self._begin_the_minute_before()
        for _ in range(2):  # a repeated tick has to change nothing
            self._tick()
        return self._await("the scheduled run", lambda run: run["trigger_type"] == "cloud_task")

    def run_manual(self) -> dict[str, Any]:
        """Trigger a run through the API, and return it once it has ended."""
        accepted: dict[str, Any] = {}

        def is_accepted() -> bool:
            try:
                accepted.update(self._api.post(f"/sync-schedules/{self._flights.schedule}/trigger"))
            except RefusedError as error:
                if error.status != _CONFLICT:  # a scheduled run is under way
                    raise
            return bool(accepted)

        self._stack.supervisor.wait_until(is_accepted, _RUN_SECONDS, "a place for the manual run")
        return self._await("the manual run", lambda run: run["id"] == accepted["id"])

    def history(self) -> list[dict[str, Any]]:
        """Return the runs of the schedule, oldest first."""
        path = f"/sync-schedules/{self._flights.schedule}/history?limit=200"
        return list(reversed(self._api.get(path)["items"]))

    def timeline(self, run: str) -> list[dict[str, Any]]:
        """Return everything that happened to a run."""
        return self._api.get(f"/runs/{run}")["timeline"]

    def compare(self) -> Comparison:
        """Compare every column of every row in the source with the dataset."""
        postgres = self._stack.postgres
        return compare_tables(
            postgres, (source.DATABASE, "public", "flight"), (DATASETS, self._flights.dataset)
        )

    def _begin_the_minute_before(self) -> None:
        """Make the schedule a minute older when its next period is too far off to wait for.

        Its period is then the minute that is under way, and as due as any other.
        """
        if self.history():  # a tick came in between: its runs stand
            return
        schedule = sync_schedule.c
        with self._engine.begin() as connection:
            connection.execute(
                update(sync_schedule)
                .where(schedule.public_id == self._flights.schedule)
                .where(schedule.next_scheduled_at > func.now() + _PATIENCE)
                .where(schedule.next_scheduled_at <= func.now() + _MINUTE)
                .values(
                    next_scheduled_at=schedule.next_scheduled_at - _MINUTE,
                    planned_through=schedule.planned_through - _MINUTE,
                )
            )

    def _tick(self) -> None:
        settings = self._stack.settings
        client = scheduler_client(settings.scheduler_emulator)
        client.run_job(
            name=client.job_path(settings.project, settings.location, "syncline-tick"), timeout=10
        )

    def _await(self, what: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        ended: list[dict[str, Any]] = []

        def has_ended() -> bool:
            ended[:] = [run for run in self.history() if wanted(run) and run["completed_at"]]
            return bool(ended)

        self._stack.supervisor.wait_until(has_ended, _RUN_SECONDS, what)
        if ended[0]["status"] != "success":
            raise SmokeError(f"{what} ended as {ended[0]['status']}: {ended[0]['error']}")
        return ended[0]


def main() -> int:
    """Return 0 only if the rows are equal and each period ran once."""
    began = time.monotonic()
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        with signals_as_interrupts(), tempfile.TemporaryDirectory(prefix="syncline-smoke-") as name:
            _smoke(Path(name), lines)
    except KeyboardInterrupt:
        print("make smoke: ended before it was through.", file=sys.stderr)
        return 130
    except SynclineError as error:
        print("\n".join(lines), file=sys.stderr)
        print(f"make smoke: {error}", file=sys.stderr)
        return 1
    print(f"All is well, in {time.monotonic() - began:.1f} s.")
    return 0


def _smoke(folder: Path, lines: deque[str]) -> None:
    began = time.monotonic()

    def show(name: str, line: str) -> None:
        lines.append(f"{name}: {line}")

    with started(folder, Ports.free(), show, THROW_AWAY) as stack:
        stack.postgres.create_database(source.DATABASE)
        source.fill(stack.ports.postgres)
        prepare(stack)
        engine = create_engine_for(stack.settings.database_url, pool_size=1)
        source_url = stack.postgres.libpq_url(source.DATABASE)
        demo = seed(engine, stack.ports.api, source_url, folder / "demo.json")
        print(f"The stack is up after {time.monotonic() - began:.1f} s.", flush=True)
        api = Api(stack.ports.api, demo.api_key)
        smoke = Smoke(stack, engine, api, demo.connectors[FLIGHTS])
        try:
            _pass(stack, smoke)
        finally:
            engine.dispose()


def _pass(stack: Stack, smoke: Smoke) -> None:
    feeder = ("-m", "infra.local.demo.feeder", "--port", str(stack.ports.postgres))
    stack.python("source", *feeder, "--seconds", "0.2")
    scheduled = smoke.run_scheduled()
    stack.supervisor.end("source")
    manual = smoke.run_manual()
    runs = smoke.history()
    print(as_table(_COLUMNS, [[run[column] for column in _COLUMNS] for run in runs]))
    print(f"\nTimeline of the scheduled run {scheduled['id']}:")
    events = smoke.timeline(scheduled["id"])
    print(
        as_table(
            ("at", "kind", "detail"),
            [[event["at"], event["kind"], json.dumps(event["detail"])] for event in events],
        )
    )
    _require_once(smoke, runs)
    if not manual["records_processed"]:
        raise SmokeError("The manual run moved nothing, though the source had changed.")
    comparison = smoke.compare()
    print(f"\n{comparison}")
    if not comparison.is_equal:
        raise SmokeError("The dataset does not hold what the source holds.")


def _require_once(smoke: Smoke, runs: list[dict[str, Any]]) -> None:
    keys = [run["idempotency_key"] for run in runs]
    periods = [run["period_at"] for run in runs if run["period_at"]]
    if len(set(keys)) != len(keys) or len(set(periods)) != len(periods):
        raise SmokeError("A period has more than one run.")
    for run in runs:
        starts = [event for event in smoke.timeline(run["id"]) if event["kind"] == "started"]
        if len(starts) != bool(run["started_at"]):
            raise SmokeError(f"Run {run['id']} was started {len(starts)} times.")


if __name__ == "__main__":
    sys.exit(main())
