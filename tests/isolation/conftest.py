"""One deployment for a whole file of tests: who finds nothing changes nothing."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url, text

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from infra.local.logins import login_of, with_login
from infra.local.postgres import PostgresServer
from shared.domain.access import Role
from shared.flow.manage import create_api_key
from shared.gcp.queues import ensure_queues
from shared.store.engine import create_engine_for
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.factories import make_tenant
from tests.isolation.cases import CANARY
from tests.isolation.leaks import Sinks, all_loggers
from tests.isolation.people import Person
from tests.isolation.plants import canary
from tests.isolation.things import Household
from tests.isolation.world import World
from tests.settings import make_settings

ISSUER = {"issuer": "https://id.test", "audience": "syncline", "name": "Nobody asks it"}
"""Without an issuer nobody can be invited."""


@pytest.fixture(scope="session")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Return the name of a database with the newest schema and a source."""
    name = f"isolation_{uuid4().hex}"
    postgres_server.create_database(name, template=template_database)
    yield name
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def superuser(postgres_server: PostgresServer, database: str) -> Iterator[Engine]:
    """Return an engine that sees everything: what tests set up and look at."""
    engine = create_engine_for(postgres_server.url(database))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA look CREATE TABLE shop (id int PRIMARY KEY)"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def deployment(
    postgres_server: PostgresServer,
    database: str,
    cloud_tasks: RunningCloudTasks,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Wiring]:
    """Return the api's part of a deployment that is set up as a whole; its queues are paused."""
    key_file = tmp_path_factory.mktemp("key") / "master.key"
    key_file.write_text(base64.b64encode(os.urandom(32)).decode())
    settings = make_settings(
        SYNCLINE_DATABASE_URL=postgres_server.url(database, login_of("api")),
        SYNCLINE_DATASET_URL=with_password(postgres_server.libpq_url(database)),
        SYNCLINE_METRICS_TOKEN=canary(),
        SYNCLINE_OIDC_ISSUERS=json.dumps([ISSUER]),
        SYNCLINE_OAUTH_REDIRECT_URL="http://127.0.0.1:2/",
        CLOUD_TASKS_EMULATOR_HOST=cloud_tasks.address,
        SYNCLINE_KEY_FILE=str(key_file),
    )
    settings = replace(settings, allowed_networks=(ip_network("127.0.0.0/8"),))
    wiring = Wiring(settings, service="api")
    with cloud_tasks.client() as client:
        ensure_queues(client, settings)
        for queue in (settings.scheduled_queue, settings.interactive_queue):
            client.pause_queue(name=client.queue_path(settings.project, settings.location, queue))
    yield wiring
    wiring.close()


def with_password(url: str) -> str:
    """Return an address with a password, for which the server does not ask."""
    return make_url(url).set(password=canary()).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def world(
    superuser: Engine, deployment: Wiring, postgres_server: PostgresServer, database: str
) -> Iterator[World]:
    """Return two workspaces with some things in each."""
    app, source = create_app(deployment), postgres_server.libpq_url(database)
    alices, mallorys = make_tenant(superuser), make_tenant(superuser)

    def person(workspace_id: int, name: str, role: Role) -> Person:
        return Person(app, create_api_key(superuser, workspace_id, name=name, role=role))

    alice = person(alices.workspace_id, CANARY, Role.ADMIN)
    mallory = person(mallorys.workspace_id, "mallory", Role.ADMIN)
    world = World(
        engine=superuser,
        alice_id=alices.workspace_id,
        mallory_id=mallorys.workspace_id,
        alice=alice,
        bob=person(alices.workspace_id, "bob", Role.VIEWER),
        mallory=mallory,
        nobody=Person(app, None),
        house=Household(alice, CANARY, source),
        hers=Household(mallory, "mallory", source),
    )
    for kind in ("run", "hook", "stream", "window", "key", "member"):
        for house in (world.house, world.house, world.hers):
            house.make(kind)
    yield world
    for one in (alice, mallory):
        one.call("DELETE", "/api/v2/dataset-reader")  # roles are the cluster's


@pytest.fixture(scope="module")
def worker(deployment: Wiring) -> Iterator[Wiring]:
    url = with_login(deployment.settings.database_url, "worker")
    worker = Wiring(replace(deployment.settings, database_url=url), service="worker")
    yield worker
    worker.close()


@pytest.fixture
def sinks(world: World, deployment: Wiring, cloud_tasks: RunningCloudTasks) -> Iterator[Sinks]:
    with all_loggers() as heard:
        yield Sinks(world.engine, cloud_tasks, deployment.settings, heard)
