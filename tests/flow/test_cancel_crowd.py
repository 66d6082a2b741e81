"""Many people, workers and ticks at once around runs that are cancelled: nobody is in the way."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.errors import ConflictError, NotFoundError
from shared.flow.attempt import attempt_run
from shared.flow.cancel import RunEndedError, cancel_run
from shared.flow.retire import delete_schedule, disable_connector, enable_connector
from shared.flow.schedules import Planner
from shared.flow.trigger import trigger_schedule
from shared.store.engine import create_engine_for
from shared.store.rows import Row
from tests.factories import Tenant, at, make_planner, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.retiring import (
    Retire,
    disable,
    every_minute,
    remove,
    remove_schedule,
)
from tests.flow.workers import (
    Script,
    call_of,
    make_workshop,
    moved,
    public_id,
    tick,
)


@pytest.mark.parametrize("retire", [disable, remove, remove_schedule])
def test_what_is_triggered_while_its_connector_is_being_ended_never_starts(
    engine: Engine, paused: PausedQueue, script: Script, planner: Planner, retire: Retire
) -> None:
    def meet() -> tuple[list[Row], list[Exception]]:
        tenant = make_tenant(engine)
        schedule = make_schedule(engine, tenant, frequency="manual", cron_expression=None)
        who, key = tenant.principal, schedule["public_id"]
        refused = at_once(
            lambda: trigger_schedule(engine, lambda: paused.queue, who, key),
            lambda: retire(planner, tenant, schedule, "02:00"),
        )
        with engine.connect() as connection:
            # By their connector: runs outlive their schedule.
            query = "SELECT * FROM workspace_connector_sync_log WHERE connector_id = :id"
            parameters = {"id": schedule["connector_id"]}
            return list(connection.execute(text(query), parameters).mappings()), refused

    for _ in range(4):
        runs, refused = meet()
        assert len(runs) + len(refused) == 1
        assert all(isinstance(error, ConflictError | NotFoundError) for error in refused)
        for run in runs:
            attempt_run(make_workshop(engine, paused), call_of(run))
    assert script.requests == []


def at_once(*acts: Callable[[], object]) -> list[Exception]:
    """Do everything at once and return what was raised."""
    start, errors = threading.Barrier(len(acts)), list[Exception]()

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except Exception as error:  # noqa: BLE001 (what it raises is what a test looks at)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return errors


@dataclass
class Crowd:
    """What people, workers and dispatchers do to three connectors of a workspace, over and over."""

    engine: Engine
    paused: PausedQueue
    tenant: Tenant
    schedules: list[Row]
    now = at("02:02:10")
    times = 12

    @property
    def planner(self) -> Planner:
        return make_planner(self.engine, self.paused.queue)

    def unfinished(self) -> list[Row]:
        runs = [run for one in self.schedules for run in runs_of(self.engine, one["id"])]
        return [run for run in runs if run["status"] in ("scheduled", "in_progress")]

    def switch(self) -> None:
        for number in range(self.times):
            connector = self.schedules[number % 3]["connector_public_id"]
            disable_connector(self.planner, self.tenant.principal, connector, now=self.now)
            enable_connector(self.planner, self.tenant.principal, connector, now=self.now)

    def work(self) -> None:
        for _ in range(self.times):
            for run in self.unfinished()[:3]:
                attempt_run(make_workshop(self.engine, self.paused), call_of(run), now=self.now)

    def cancel(self) -> None:
        for _ in range(self.times):
            for run in self.unfinished()[:1]:
                with suppress(RunEndedError):
                    cancel_run(
                        self.engine,
                        self.planner.open_queue,
                        self.tenant.principal,
                        public_id(run),
                        now=self.now,
                    )

    def dispatch(self) -> None:
        for number in range(self.times):
            tick(self.engine, self.paused, self.now + timedelta(seconds=number))

    def delete(self) -> None:
        for one in self.schedules:
            delete_schedule(
                self.planner, self.tenant.principal, one["public_id"], now=at("02:02:30")
            )


def test_people_workers_and_ticks_at_once_are_not_in_each_others_way(
    database_url: str, engine: Engine, paused: PausedQueue, script: Script
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=3)
    schedules = [every_minute(engine, paused, tenant) for _ in range(3)]
    script.behaviour = lambda _request, confirm_lease: confirm_lease() or moved()
    roomy = create_engine_for(database_url, pool_size=12)
    crowd = Crowd(roomy, paused, tenant, schedules)

    errors = at_once(crowd.switch, crowd.work, crowd.cancel, crowd.dispatch)
    crowd.delete()
    roomy.dispose()

    assert errors == []
    with engine.connect() as connection:
        query = text("SELECT DISTINCT status FROM workspace_connector_sync_log")
        assert set(connection.execute(query).scalars()) <= {"success", "cancelled", "skipped"}
