"""Alice administers a workspace, Bob reads in it, Mallory administers another."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
from flask import Flask, Response, g
from flask.testing import FlaskClient
from google.cloud import tasks_v2
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from shared.domain.access import Role
from shared.flow.manage import create_api_key
from shared.gcp.queues import ensure_queues
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.conftest import DatabaseUrlOf
from tests.factories import CONFIG, Tenant, make_tenant
from tests.issuer import Issuer, running_issuer
from tests.settings import make_settings


@dataclass(frozen=True)
class Caller:
    """Somebody with an API key."""

    client: FlaskClient
    key: str

    def get(self, path: str, **options: object) -> TestResponse:
        return self.client.get(path, headers=self._headers(), **options)

    def post(self, path: str, body: object = None) -> TestResponse:
        return self.client.post(path, json={} if body is None else body, headers=self._headers())

    def put(self, path: str, body: object) -> TestResponse:
        return self.client.put(path, json=body, headers=self._headers())

    def patch(self, path: str, body: object) -> TestResponse:
        return self.client.patch(path, json=body, headers=self._headers())

    def delete(self, path: str) -> TestResponse:
        return self.client.delete(path, headers=self._headers())

    def new_connector(self, name: str = "Flights") -> str:
        body = {"type": "database", "name": name, "config": CONFIG}
        return self.post("/api/v2/connectors", body).json["id"]

    def new_schedule(self, **values: object) -> dict:
        body = {
            "connector_id": self.new_connector(f"for {values.get('name', 'nightly')}"),
            "name": "nightly",
            "frequency": "daily",
            "preferred_time": "02:00",
            **values,
        }
        answer = self.post("/api/v2/sync-schedules", body)
        assert answer.status_code == 201, answer.text
        return answer.json

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


@pytest.fixture(scope="session")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks() as server:
        yield server


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Return an issuer of tokens; whoever asks for it has a deployment that trusts it."""
    with running_issuer() as running:
        yield running


@pytest.fixture
def wiring(
    database_url_of: DatabaseUrlOf,
    cloud_tasks: RunningCloudTasks,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Wiring]:
    trusted = {}
    if "issuer" in request.fixturenames:
        setting = asdict(request.getfixturevalue("issuer").setting)
        trusted = {
            "SYNCLINE_OIDC_ISSUERS": json.dumps([setting]),
            "SYNCLINE_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
    key_file = tmp_path / "master.key"
    key_file.write_text(base64.b64encode(os.urandom(32)).decode())
    settings = make_settings(
        SYNCLINE_DATABASE_URL=database_url_of("api"),
        CLOUD_TASKS_EMULATOR_HOST=cloud_tasks.address,
        SYNCLINE_KEY_FILE=str(key_file),
        **trusted,
    )
    wiring = Wiring(settings, service="api")
    yield wiring
    wiring.close()


@pytest.fixture
def queue_client(
    wiring: Wiring, cloud_tasks: RunningCloudTasks
) -> Iterator[tasks_v2.CloudTasksClient]:
    """Return a client with both queues made and paused."""
    settings = wiring.settings
    with cloud_tasks.client() as client:
        ensure_queues(client, settings)
        for queue in (settings.scheduled_queue, settings.interactive_queue):
            client.pause_queue(name=client.queue_path(settings.project, settings.location, queue))
        yield client


@pytest.fixture
def app(wiring: Wiring) -> Flask:
    """Return the application; each of its answers has a Location if its route declares one."""
    app = create_app(wiring)

    @app.after_request
    def compare(response: Response) -> Response:
        operation = g.get("operation")
        if operation is not None and response.status_code == operation.answers.status:
            assert ("Location" in response.headers) == operation.answers.location, operation.id
        return response

    return app


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def alice(app: Flask, engine: Engine, tenant: Tenant) -> Caller:
    key = create_api_key(engine, tenant.workspace_id, name="alice", role=Role.ADMIN)
    return Caller(app.test_client(), key)


@pytest.fixture
def bob(alice: Caller, engine: Engine, tenant: Tenant) -> Caller:
    key = create_api_key(engine, tenant.workspace_id, name="bob", role=Role.VIEWER)
    return replace(alice, key=key)


@pytest.fixture
def mallory(alice: Caller, engine: Engine) -> Caller:
    other = make_tenant(engine)
    key = create_api_key(engine, other.workspace_id, name="mallory", role=Role.ADMIN)
    return replace(alice, key=key)


@pytest.fixture
def stranger(alice: Caller) -> Caller:
    return replace(alice, key="")
