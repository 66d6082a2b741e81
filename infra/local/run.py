"""`make run`: Syncline with demo data on this machine, until Ctrl-C."""

import os
import re
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from infra.local.demo import source
from infra.local.demo.state import FLIGHTS, Demo, is_known, load
from infra.local.ports import DEFAULT_BASE, HOST, Ports
from infra.local.postgres import program
from infra.local.processes import Show, signals_as_interrupts
from infra.local.stack import DATABASE, DATASETS, ROOT, Stack, prepare, started
from shared.errors import SynclineError

_FOLDER = ROOT / ".local"
_OWN_CLOCK = re.compile(r"\d\d:\d\d:\d\d\.\d{3}Z ")


class Screen:
    """Shows one line for each thing that happens, once the overview is out."""

    def __init__(self) -> None:
        self.is_open = False

    def show(self, name: str, line: str) -> None:
        """Print a line of a child, with the time and the child's name before it."""
        if not self.is_open or not line:
            return
        if not _OWN_CLOCK.match(line):
            now = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
            line = f"{now}Z {name:<14} {line}"
        print(line, flush=True)


def main() -> int:
    """Run until Ctrl-C (exit 0), or until a part fails (one sentence, exit 1)."""
    began = time.monotonic()
    screen = Screen()
    try:
        ports = Ports.from_base(os.environ.get("SYNCLINE_PORT_BASE") or str(DEFAULT_BASE))
        with signals_as_interrupts():
            _run(ports, screen, began)
    except KeyboardInterrupt:
        print("\nEverything is stopped; the data is kept in .local.")
    except SynclineError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    return 0


def _run(ports: Ports, screen: Screen, began: float) -> None:
    show: Show = screen.show
    with started(_FOLDER, ports, show) as stack:
        if not stack.postgres.has_database(source.DATABASE):
            print("First start: making the databases and loading 336,776 flights …", flush=True)
            stack.postgres.create_database(source.DATABASE)
        source.fill(ports.postgres)
        prepare(stack)
        demo = _demo(stack)
        feeder = ("-m", "infra.local.demo.feeder", "--port", str(ports.postgres))
        stack.python("source", *feeder, may_finish=True)
        print(_overview(ports, demo, time.monotonic() - began), flush=True)
        screen.is_open = True
        try:
            stack.supervisor.wait()
        finally:
            screen.is_open = False


def _demo(stack: Stack) -> Demo:
    file = _FOLDER / "demo.json"
    source_url = stack.postgres.libpq_url(source.DATABASE)
    known = load(file)
    if known and known.source_url == source_url and is_known(known, stack.ports.api):
        return known
    # Imported only here: a later start, which has 5 seconds, goes without.
    from infra.local.demo.seed import seed  # noqa: PLC0415
    from shared.store.engine import create_engine_for  # noqa: PLC0415

    engine = create_engine_for(stack.settings.database_url, pool_size=1)
    try:
        return seed(engine, stack.ports.api, source_url, file)
    finally:
        engine.dispose()


def _overview(ports: Ports, demo: Demo, seconds: float) -> str:
    api = f"http://{HOST}:{ports.api}"
    schedule = f"{api}/api/v2/sync-schedules/{demo.connectors[FLIGHTS].schedule}"
    bearer = f"-H 'Authorization: Bearer {demo.api_key}'"
    psql = shutil.which("psql") or Path(program("psql")).relative_to(ROOT)
    database = f"postgresql://postgres@{HOST}:{ports.postgres}"
    dataset = demo.connectors[FLIGHTS].dataset
    return f"""
Syncline runs, ready after {seconds:.1f} s. Ctrl-C ends it; the data stays in .local.

  API             {api}/api/v2    health: {api}/healthz
  Demo workspace  Fjord Air: Flights every minute, Airports every hour, Delays on demand
  API key         {demo.api_key}
  Cloud Tasks     {HOST}:{ports.tasks} (gRPC)    figures and faults: http://{HOST}:{ports.tasks_control}/stats
  Cloud Scheduler {HOST}:{ports.scheduler} (gRPC)

Sync the flights now:
  curl -X POST {bearer} {schedule}/trigger
What became of the last runs:
  curl {bearer} '{schedule}/history?limit=5'
What was synced (after the first run), and what Syncline knows:
  {psql} {database}/{DATASETS} -c 'SELECT status, count(*) FROM {dataset}.flight GROUP BY status'
  {psql} {database}/{DATABASE}

From here, one line for each thing that happens:
"""


if __name__ == "__main__":
    sys.exit(main())
