"""A world's product on the local cloud: real Cloud Tasks calls the real worker over HTTP."""

import logging
import os
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, sleep

import pytest
from sqlalchemy import Engine

from infra.local.cloud_tasks.running import RunningCloudTasks
from infra.local.logins import with_login
from shared.config import Settings
from shared.domain import retry
from shared.flow.patience import Patience
from shared.flow.schedules import Planner
from shared.flow.tick import run_tick
from shared.flow.trigger import RunActiveError, trigger_schedule
from shared.flow.warmth import Instance
from shared.store.engine import create_engine_for
from shared.store.ticks import TickReport
from shared.wiring import Wiring, wire
from tests.faults import patience, report, threaded_ledger
from tests.faults.edges import Edge, loaded
from tests.faults.invariants import broken_at_rest, unfinished
from tests.faults.live_queues import Queues
from tests.faults.quick_driver import learn_once
from tests.faults.report import Result
from tests.faults.threaded_ledger import Trouble, no_trouble
from tests.faults.world import World, grow, open_world
from tests.settings import make_settings

LEASE = timedelta(seconds=2)
PATIENCE = Patience(
    confirmation=timedelta(milliseconds=200),
    task=timedelta(milliseconds=250),
    run=timedelta(hours=2),
)
_LONGEST_TEST = timedelta(seconds=45)
_LOOK_AHEAD = timedelta(seconds=1)
_BUDGET = timedelta(seconds=20)
_RETRY_SOON = timedelta(milliseconds=100)
_NAP_SECONDS = 0.05
_MOST_TICKS = 4
"""After so many, whatever is not drained never will be."""
_BORNE = """
SELECT max(
    CASE
        WHEN status = 'in_progress' THEN lease_expires_at
        WHEN enqueued_at IS NULL THEN admitted_at + %s
        ELSE greatest(enqueued_at + %s * power(2, least(task_generation, 4)), not_before_at + %s)
    END
) - clock_timestamp()
FROM workspace_connector_sync_log
WHERE status IN ('scheduled', 'in_progress') AND coalesce(period_at, not_before_at) <= now()
"""

_STARTED = "SELECT count(*) FROM workspace_connector_sync_log WHERE started_at IS NOT NULL"
_EVENTS = """
SELECT count(*) FILTER (WHERE kind = 'lease_expired'), count(*) FILTER (WHERE kind = 'task_lost')
FROM sync_log_event
"""


class NotDrainedError(AssertionError):
    """Runs are left over that nothing brings to an end."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A dispatcher in this process, and a worker that Cloud Tasks calls."""

    world: World
    queues: Queues
    settings: Settings
    wiring: Wiring
    """Of the dispatcher; the worker has its own."""
    desk: Engine
    """For what people do."""
    worker: Edge
    dispatcher: Edge
    """Listens only when told to: what else ticks does so with less patience."""
    began: float = field(default_factory=monotonic)

    def tick(self) -> TickReport:
        """Do one pass of the dispatcher."""
        return run_tick(
            self.wiring.engine,
            self.wiring.open_queue(),
            look_ahead=_LOOK_AHEAD,
            budget=_BUDGET,
            patience=PATIENCE,
        )

    def request(self, places: Iterable[int]) -> None:
        """Ask for a run of each of these connectors that has none active."""
        for place in places:
            with suppress(RunActiveError):
                trigger_schedule(
                    self.desk,
                    self.wiring.open_queue,
                    self.world.owners[place],
                    self.world.schedules[place],
                )

    def grow(self, place: int) -> None:
        """Let a source have new records, and changed ones."""
        with closing(open_world(self.world.dataset_url)) as connection:
            grow(connection, self.world.connectors[place], records=3, again=(1, 2))

    def planner(self) -> Planner:
        """Return what changes of schedules work with."""
        return Planner(self.desk, self.wiring.open_queue, _LOOK_AHEAD)

    def bear(self) -> None:
        """Wait until the silence about every run has lasted too long to be borne."""
        [(left,)] = self.world.rows(_BORNE, PATIENCE.confirmation, PATIENCE.task, PATIENCE.task)
        if left is not None:
            sleep(max(left, timedelta(0)).total_seconds() + _NAP_SECONDS)

    def drain(self, most: int = _MOST_TICKS) -> int:
        """Tick until every run has its end; return how many ticks that took.

        Each tick comes when all has come that comes, and silence has lasted too long. Raises
        `NotDrainedError` when `most` ticks were not enough.
        """
        self.queues.settle()
        count = 0
        while left := unfinished(self.world):
            if count == most:
                raise NotDrainedError(f"{left} runs are left over after {most} ticks")
            self.bear()
            self.tick()
            count += 1
            self.queues.settle()
        return count

    def end_well(self, scenario: str, *, duplicates: int | None = None) -> None:
        """Let everybody ask for a run once more, drain, and demand that every rule holds.

        The result is noted, with the number of `duplicates` that Cloud Tasks delivered.
        """
        places = range(len(self.world.connectors))
        for place in places:
            self.grow(place)
        self.request(places)
        self.drain()
        violations = broken_at_rest(self.world, LEASE)
        self.note(scenario, violations=len(violations), duplicates=duplicates)
        assert [str(violation) for violation in violations] == []
        assert set(self.worker.answers) == {"200 OK"}

    def note(self, scenario: str, *, violations: int = 0, duplicates: int | None = None) -> None:
        """Add what happened to the results of the long form."""
        seconds = monotonic() - self.began
        [(runs,)] = self.world.rows(_STARTED)
        [(rescues, lost_tasks)] = self.world.rows(_EVENTS)
        report.append(
            Result(
                scenario=scenario,
                seconds=seconds,
                violations=violations,
                runs=runs,
                duplicates=duplicates,
                rescues=rescues,
                lost_tasks=lost_tasks,
            )
        )


@pytest.fixture(autouse=True)
def outlast_the_hour() -> None:
    """See to it that no period of a world falls due while a test that imports this counts runs."""
    patience.outlast_the_hour(_LONGEST_TEST)


@contextmanager
def deployed(
    world: World,
    cloud: RunningCloudTasks,
    *,
    trouble: Trouble = no_trouble,
    attempts: int = 20,
    is_away: bool = False,
) -> Generator[Deployment, None, None]:
    """Serve a world's worker on the local cloud, with the connector that keeps books.

    `trouble` comes before each of its syncs; Cloud Tasks tries a task `attempts` times. With
    `is_away` the worker does not listen yet. The end of the block waits for the requests that are
    still under way, and then closes what they work with.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        loaded("worker", "dispatcher") as [worker, dispatcher],
        nullcontext() if is_away else worker.listening(),
        cloud.client() as client,
    ):
        threaded_ledger.install(patch.setattr, trouble)
        learn_once(patch.setattr)
        patch.setattr(retry, "BASE", _RETRY_SOON)
        patch.setattr(retry, "SHORTEST", _RETRY_SOON)
        settings = _set_environment(world, cloud, worker, dispatcher, patch)
        # Of first requests at once each would make a wiring, and all but one would be forgotten.
        wire(worker.name)
        wiring = wire(dispatcher.name)
        queues = Queues(cloud, client, settings, attempts)
        queues.make()
        Instance().note_alive(wiring.engine)  # or every tick would order a warm-up
        desk = create_engine_for(world.database_url)
        logging.disable()
        try:
            yield Deployment(world, queues, settings, wiring, desk, worker, dispatcher)
        finally:
            desk.dispose()
            cloud.clear_faults()
            queues.close()
            logging.disable(logging.NOTSET)


def _set_environment(
    world: World,
    cloud: RunningCloudTasks,
    worker: Edge,
    dispatcher: Edge,
    patch: pytest.MonkeyPatch,
) -> Settings:
    unique = make_settings()
    variables = {
        "SYNCLINE_DATABASE_URL": with_login(world.database_url, "worker"),
        "SYNCLINE_DATASET_URL": world.dataset_url,
        "SYNCLINE_WORKER_URL": worker.url,
        "SYNCLINE_DISPATCHER_URL": dispatcher.url,
        "SYNCLINE_TASKS_SERVICE_ACCOUNT": unique.tasks_service_account,
        "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": unique.scheduler_service_account,
        "SYNCLINE_SCHEDULED_QUEUE": unique.scheduled_queue,
        "SYNCLINE_INTERACTIVE_QUEUE": unique.interactive_queue,
        "SYNCLINE_OIDC_CERTS_URL": cloud.certs_url,
        "SYNCLINE_ALLOWED_NETWORKS": "127.0.0.0/8",
        "SYNCLINE_LEASE_SECONDS": str(LEASE // timedelta(seconds=1)),
        "SYNCLINE_LOOK_AHEAD_SECONDS": str(_LOOK_AHEAD // timedelta(seconds=1)),
        "CLOUD_TASKS_EMULATOR_HOST": cloud.address,
    }
    for name in list(os.environ):
        if name.startswith("SYNCLINE_") and not name.startswith("SYNCLINE_FAULTS"):
            patch.delenv(name)
    for name, value in variables.items():
        patch.setenv(name, value)
    return Settings.from_env()
