"""A real queue for the flows: paused, so that a test looks at the tasks before they run."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from shared.domain.run import TRANSITIONS
from shared.flow import grants
from shared.flow.schedules import Planner
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from shared.store.engine import create_engine_for
from shared.store.tenancy import DatabaseRole
from tests.authorization_server import AuthorizationServer, authorization_server
from tests.conftest import DatabaseUrlOf
from tests.factories import Tenant, give_key, make_planner, make_tenant
from tests.flow.authorizing import Person
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, install
from tests.gcp.keys import make_key
from tests.settings import make_settings


@pytest.fixture(autouse=True)
def legal_transitions(engine: Engine) -> None:
    """Let the database of a test refuse what the table of transitions does not have."""
    legal = ", ".join(
        f"('{before}', '{after}')" for before, targets in TRANSITIONS.items() for after in targets
    )
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE 'a run went from % to %', OLD.status, NEW.status; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER legal_transitions BEFORE UPDATE ON workspace_connector_sync_log"
                " FOR EACH ROW WHEN (OLD.status <> NEW.status"
                f" AND (OLD.status, NEW.status) NOT IN ({legal}))"
                " EXECUTE FUNCTION refuse_transition()"
            )
        )


@pytest.fixture(scope="session")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks() as server:
        yield server


@pytest.fixture
def paused(cloud_tasks: RunningCloudTasks) -> Iterator[PausedQueue]:
    settings = make_settings()
    with cloud_tasks.client() as client:
        ensure_queues(client, settings)
        names = [
            client.queue_path(settings.project, settings.location, queue)
            for queue in (settings.scheduled_queue, settings.interactive_queue)
        ]
        for name in names:
            client.pause_queue(name=name)
        yield PausedQueue(CloudTasksQueue(client, settings), client, cloud_tasks, *names)
        cloud_tasks.clear_faults()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    install(script, monkeypatch)
    return script


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def planner(engine: Engine, paused: PausedQueue) -> Planner:
    return make_planner(engine, paused.queue)


@pytest.fixture
def authorization() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


@pytest.fixture
def worker_engine(database_url_of: DatabaseUrlOf) -> Iterator[Engine]:
    """Return an engine on this test's database with the login of the worker, and its rights."""
    engine = create_engine_for(database_url_of("worker"), role=DatabaseRole.SYSTEM)
    yield engine
    engine.dispose()


@pytest.fixture
def person(
    planner: Planner,
    worker_engine: Engine,
    tenant: Tenant,
    authorization: AuthorizationServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Person:
    """Return somebody whose tokens are never too young to be renewed."""
    monkeypatch.setattr(grants, "_FRESH", timedelta(0))
    key = make_key(tmp_path / "master.key")
    give_key(planner.engine, tenant.principal)
    return Person(planner, worker_engine, key, tenant, authorization)
