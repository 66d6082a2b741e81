"""Each function as functions-framework serves it, on a real database and local Cloud Tasks."""

import base64
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from flask.testing import FlaskClient

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from infra.local.identity import LocalSigner
from shared.clock import utc_now
from shared.config import Settings
from shared.gcp.oidc import callers_of_dispatcher, callers_of_worker
from shared.gcp.queues import ensure_queues
from shared.wiring import wire
from tests.conftest import DatabaseUrlOf
from tests.settings import make_settings

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
CANARY = "canary-Zx81"
AWAY = f"postgresql+pg8000://somebody:{CANARY}@127.0.0.1:1/nowhere"
"""A database where nobody listens."""

Serve = Callable[[str], FlaskClient]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Signs real tokens for the functions of one deployment."""

    signer: LocalSigner
    settings: Settings

    def scheduler(self) -> dict[str, str]:
        """Return the headers of Cloud Scheduler's call."""
        settings = self.settings
        return self._headers(settings.scheduler_service_account, settings.dispatcher_url)

    def tasks(self) -> dict[str, str]:
        """Return the headers of a task's call."""
        return self._headers(self.settings.tasks_service_account, self.settings.worker_url)

    def _headers(self, account: str, audience: str) -> dict[str, str]:
        token = self.signer.token(account, audience, utc_now())
        return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True, slots=True)
class Logged:
    """What the function wrote to its log since the last look."""

    capsys: pytest.CaptureFixture[str]

    def read(self) -> tuple[str, list[dict[str, Any]]]:
        """Return the text as it is and its lines, each of them one JSON object."""
        text = self.capsys.readouterr().err
        return text, [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity") / "identity.pem"


@pytest.fixture(scope="session")
def cloud_tasks(key_file: Path) -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks(key_file=key_file) as server:
        yield server


@pytest.fixture(scope="session")
def signer(key_file: Path, cloud_tasks: RunningCloudTasks) -> LocalSigner:
    return LocalSigner.load_or_create(key_file)


@pytest.fixture
def variables(
    database_url_of: DatabaseUrlOf,
    cloud_tasks: RunningCloudTasks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """Return what the environment was set to."""
    master_key = tmp_path / "master.key"
    master_key.write_bytes(base64.b64encode(os.urandom(32)))
    unique = make_settings()
    variables = {
        "SYNCLINE_DATABASE_URL": database_url_of("worker"),
        "SYNCLINE_DATASET_URL": unique.dataset_url,
        "SYNCLINE_WORKER_URL": unique.worker_url,
        "SYNCLINE_DISPATCHER_URL": unique.dispatcher_url,
        "SYNCLINE_TASKS_SERVICE_ACCOUNT": unique.tasks_service_account,
        "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": unique.scheduler_service_account,
        "SYNCLINE_SCHEDULED_QUEUE": unique.scheduled_queue,
        "SYNCLINE_INTERACTIVE_QUEUE": unique.interactive_queue,
        "SYNCLINE_OIDC_CERTS_URL": cloud_tasks.certs_url,
        "SYNCLINE_KEY_FILE": str(master_key),
        "CLOUD_TASKS_EMULATOR_HOST": cloud_tasks.address,
    }
    for name in [name for name in os.environ if name.startswith("SYNCLINE_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def settings(variables: dict[str, str]) -> Settings:
    return Settings.from_env()


@pytest.fixture
def tokens(signer: LocalSigner, settings: Settings) -> Tokens:
    return Tokens(signer, settings)


@pytest.fixture
def paused_queues(settings: Settings, cloud_tasks: RunningCloudTasks) -> Iterator[None]:
    """Make the queues, so that tasks can be looked at before they run."""
    with cloud_tasks.client() as client:
        ensure_queues(client, settings)
        for queue in (settings.scheduled_queue, settings.interactive_queue):
            client.pause_queue(name=client.queue_path(settings.project, settings.location, queue))
    yield
    cloud_tasks.clear_faults()


@pytest.fixture
def serve(
    variables: dict[str, str], database_url_of: DatabaseUrlOf, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serve]:
    """Return how to start a function cold; each has the environment of its first request.

    Its database is the one of the environment, unless that is away, by a login of its own.
    """
    caches = (wire, callers_of_dispatcher, callers_of_worker)
    for cache in caches:
        cache.cache_clear()
    # The framework loads every function as the module `main` and appends its folder to the path.
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "main", sys.modules[__name__])
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    served: list[str] = []

    def start(name: str) -> FlaskClient:
        served.append(name)
        if os.environ["SYNCLINE_DATABASE_URL"] != AWAY:
            monkeypatch.setenv("SYNCLINE_DATABASE_URL", database_url_of(name))
        source = str(FUNCTIONS / name / "main.py")
        return functions_framework.create_app(target=name, source=source).test_client()

    yield start
    if wire.cache_info().currsize:
        for name in served:
            wire(name).close()
    for cache in caches:
        cache.cache_clear()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    return Logged(capsys)
