"""A run that is not its worker's any more ends within a heartbeat, whatever its sync waits for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from infra.local.postgres import PostgresServer
from shared.domain.dataset import dataset_name
from shared.flow import attempt as attempt_flow
from shared.flow.attempt import AttemptResult, Workshop, attempt_run
from shared.flow.cancel import cancel_run
from shared.logs import fields_of
from shared.store.rows import Row
from tests.connectors.databases import Postgres, orders
from tests.connectors.gates import gated_table, gated_view, wait_until
from tests.factories import Tenant, at, make_connector, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import call_of, public_id, tick, watermark_of
from tests.loopback import LOOPBACK

LEASE = timedelta(seconds=1.5)
SECONDS = 30


@dataclass(frozen=True, slots=True)
class Scene:
    """A run that is due, its source, and the worker that is to do it."""

    engine: Engine
    paused: PausedQueue
    source: Postgres
    dataset: Postgres
    tenant: Tenant
    connector: Row
    schedule: Row

    def run(self) -> Row:
        """Return the newest run."""
        return runs_of(self.engine, self.schedule["id"])[-1]

    def attempt(self) -> AttemptResult:
        """Do the newest run."""
        workshop = Workshop(
            self.engine, self.paused.queue, None, self.dataset.dsn, LEASE, guard=LOOPBACK
        )
        return attempt_run(workshop, call_of(self.run()), now=self.run()["not_before_at"])

    def cancel(self) -> None:
        """Cancel the newest run."""
        queue = self.paused.queue
        cancel_run(self.engine, lambda: queue, self.tenant.principal, public_id(self.run()))


@pytest.fixture
def scene(
    engine: Engine, paused: PausedQueue, postgres_server: PostgresServer, database_url: str
) -> Iterator[Scene]:
    name = f"source_{uuid4().hex}"
    postgres_server.create_database(name)
    source = _database(postgres_server, name)
    tenant = make_tenant(engine)
    connector = make_connector(engine, tenant, config=orders(source.url))
    schedule = make_schedule(
        engine, tenant, connector=connector["public_id"], from_instant=at("01:59")
    )
    tick(engine, paused, at("02:00"))
    dataset = _database(postgres_server, database_url.rpartition("/")[2])
    yield Scene(engine, paused, source, dataset, tenant, connector, schedule)
    postgres_server.drop_database(name)


@pytest.fixture
def pool(scene: Scene) -> Iterator[ThreadPoolExecutor]:
    """Return a thread for an attempt. It outlives the gates, so that none waits for ever."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def _database(server: PostgresServer, name: str) -> Postgres:
    return Postgres(server.libpq_url(name), server.libpq_url(name))


def test_a_cancelled_run_does_not_wait_for_its_source(
    scene: Scene, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    with gated_view(scene.source) as waits:
        attempt = pool.submit(scene.attempt)
        wait_until(waits)
        scene.cancel()
        assert attempt.result(SECONDS) is AttemptResult.LEASE_LOST
    after = scene.run()
    assert (after["status"], after["reason"]) == ("cancelled", "cancelled_by_user")
    assert after["error"] is None
    # What its source said when it was cut is no failure, of which nothing is recorded or told.
    told = [fields_of(record).get("event") for record in caplog.records]
    assert (told.count("lease_lost"), told.count("record_refused")) == (1, 0)


def test_a_run_that_was_taken_over_does_not_wait_for_its_source(
    scene: Scene, pool: ThreadPoolExecutor
) -> None:
    with gated_view(scene.source) as waits:
        attempt = pool.submit(scene.attempt)
        wait_until(waits)
        with scene.engine.begin() as connection:
            connection.execute(text("UPDATE workspace_connector_sync_log SET fence = fence + 1"))
        assert attempt.result(SECONDS) is AttemptResult.LEASE_LOST
    assert (scene.run()["status"], scene.run()["attempt"]) == ("in_progress", 1)


def test_a_cancelled_run_does_not_wait_for_its_dataset(
    scene: Scene, pool: ThreadPoolExecutor
) -> None:
    scene.source.execute("CREATE TABLE orders AS SELECT 1 AS id, 1 AS changed")
    assert scene.attempt() is AttemptResult.RECORDED
    scene.source.execute("UPDATE orders SET changed = 2")
    tick(scene.engine, scene.paused, at("02:02"))
    table = f"{dataset_name(scene.connector['public_id'])}.orders"
    with gated_table(scene.dataset, table) as waits:
        attempt = pool.submit(scene.attempt)
        wait_until(waits)
        scene.cancel()
        assert attempt.result(SECONDS) is AttemptResult.LEASE_LOST
    assert scene.dataset.rows(f"SELECT changed FROM {table}") == [(1,)]


def test_a_run_whose_task_is_over_does_not_wait_for_its_source(
    scene: Scene, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_flow, "LONGEST_ATTEMPT", timedelta(seconds=3))
    with gated_view(scene.source):
        attempt = pool.submit(scene.attempt)
        assert attempt.result(SECONDS) is AttemptResult.RECORDED
    after = scene.run()
    assert (after["status"], after["reason"]) == ("scheduled", "slice_too_long")
    assert watermark_of(scene.engine, scene.connector["id"]) is None
