"""The whole of Syncline on one machine: PostgreSQL, the local cloud and the four functions."""

import base64
import hashlib
import http.client
import json
import os
import secrets
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infra.local.locks import take_lock
from infra.local.logins import login_of, make_logins
from infra.local.package import FUNCTIONS
from infra.local.ports import HOST, Ports
from infra.local.postgres import PostgresServer, start_postgres
from infra.local.processes import Command, Show, Supervisor
from infra.local.restart import forget_tasks
from shared.config import Settings

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "syncline"
DATASETS = "syncline_datasets"
_MIGRATIONS = ROOT / "shared" / "store" / "migrations" / "versions"

_READY_SECONDS = 60.0
_PROBE_SECONDS = 5.0
_QUEUES = 2
_THREADS = "16"  # a function instance serves many requests; most of them wait
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack whose processes run; `environment` is its operator's."""

    ports: Ports
    postgres: PostgresServer
    supervisor: Supervisor
    environment: Mapping[str, str]
    settings: Settings

    def python(
        self, name: str, *arguments: str, may_finish: bool = False, login: str | None = None
    ) -> None:
        """Start a further child, a Python process with the functions' environment.

        Its `login` to the database is one of a function, or the operator's.
        """
        argv, environment = (sys.executable, *arguments), self.environment
        if login is not None:
            url = self.postgres.url(DATABASE, login)
            environment = {**environment, "SYNCLINE_DATABASE_URL": url}
        self.supervisor.start(Command(name, argv, environment, ROOT, may_finish=may_finish))


@contextmanager
def started(
    folder: Path,
    ports: Ports,
    show: Show,
    postgres_settings: Mapping[str, str] = MappingProxyType({}),
) -> Generator[Stack, None, None]:
    """Start every process on the data in `folder`, and end them all after the block.

    The schema is `prepare`'s; both raise
    `ConfigurationError`, `ChildCrashedError` or `NotReadyError` with a sentence for a person.
    """
    folder = folder.resolve()
    refusal = f"Syncline already runs on {folder} (process {{owner}}): end that one with Ctrl-C."
    with take_lock(folder / "run.lock", refusal):
        ports.require_free()
        with start_postgres(folder / "postgres", ports.postgres, postgres_settings) as postgres:
            environment = environment_of(folder, ports, postgres)
            with Supervisor(show) as supervisor:
                supervisor.watch("postgres", postgres.process, postgres.last_words)
                settings = Settings.from_env(environment)
                stack = Stack(ports, postgres, supervisor, environment, settings)
                _start_children(stack, folder)
                yield stack


def prepare(stack: Stack) -> None:
    """Make databases, schema, queues and the tick job; return once every part answers."""
    for database in (DATABASE, DATASETS):
        if not stack.postgres.has_database(database):
            stack.postgres.create_database(database)
            _note_of_migration(stack).unlink(missing_ok=True)
    _migrate(stack)
    make_logins(stack.postgres)
    forget_tasks(stack.postgres, DATABASE)
    stack.supervisor.wait_until(
        lambda: _has_queues_and_tick(stack.ports), _READY_SECONDS, "the local cloud"
    )
    for function in FUNCTIONS:
        port: int = getattr(stack.ports, function)
        stack.supervisor.wait_until(lambda port=port: _answers(port), _READY_SECONDS, function)


def environment_of(folder: Path, ports: Ports, postgres: PostgresServer) -> Mapping[str, str]:
    """Return the environment of the functions: ours, and on top what a deployment sets."""
    project = "syncline-local"
    bypass = [os.environ.get("NO_PROXY", ""), HOST, "localhost"]
    return {
        **os.environ,
        "NO_PROXY": ",".join(filter(None, bypass)),
        "no_proxy": ",".join(filter(None, bypass)),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "GRPC_VERBOSITY": "NONE",  # what matters of it comes as an exception
        "THREADS": _THREADS,
        "SYNCLINE_DATABASE_URL": postgres.url(DATABASE),
        "SYNCLINE_DATASET_URL": postgres.libpq_url(DATASETS),
        "SYNCLINE_PROJECT": project,
        "SYNCLINE_WORKER_URL": f"http://{HOST}:{ports.worker}/",
        "SYNCLINE_DISPATCHER_URL": f"http://{HOST}:{ports.dispatcher}/",
        "SYNCLINE_TASKS_SERVICE_ACCOUNT": f"tasks@{project}.iam.gserviceaccount.com",
        "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": f"scheduler@{project}.iam.gserviceaccount.com",
        "SYNCLINE_OIDC_CERTS_URL": f"http://{HOST}:{ports.tasks_control}/certs",
        "CLOUD_TASKS_EMULATOR_HOST": f"{HOST}:{ports.tasks}",
        "CLOUD_SCHEDULER_EMULATOR_HOST": f"{HOST}:{ports.scheduler}",
        "SYNCLINE_KEY_FILE": str(_ensure_key(folder / "master.key")),
        "SYNCLINE_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "SYNCLINE_OAUTH_REDIRECT_URL": f"http://{HOST}:{ports.oauth_callback}/",
        "SYNCLINE_PUBLIC_URL": f"http://{HOST}:{ports.api}",
        "SYNCLINE_LOG_FORMAT": "text",
    }


def _start_children(stack: Stack, folder: Path) -> None:
    ports = stack.ports
    cloud = {
        "--tasks-port": ports.tasks,
        "--tasks-control-port": ports.tasks_control,
        "--scheduler-port": ports.scheduler,
        "--scheduler-control-port": ports.scheduler_control,
        "--key-file": folder / "oidc-key.pem",
    }
    options = [text for option, value in cloud.items() for text in (option, str(value))]
    stack.python("cloud", "-m", "infra.local.cloud", *options)
    for name in FUNCTIONS:
        source = ("--source", f"functions/{name}/main.py", "--target", name)
        address = ("--host", HOST, "--port", str(getattr(ports, name)))
        login = login_of(name)
        stack.python(name, "-m", "functions_framework", *source, *address, login=login)


def _migrate(stack: Stack) -> None:
    # The note of what migrated the data spares a later start to load alembic.
    note = _note_of_migration(stack)
    migrations = sorted(_MIGRATIONS.glob("*.py"))
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in migrations)).hexdigest()
    if note.exists() and note.read_text() == digest:
        return
    from shared.store.migrate import upgrade  # noqa: PLC0415

    upgrade(stack.settings.database_url)
    note.write_text(digest)


def _note_of_migration(stack: Stack) -> Path:
    return stack.postgres.data_dir / "migrated_by"


def _has_queues_and_tick(ports: Ports) -> bool:
    queues = _read(ports.tasks_control, "/stats").get("queues", {})
    jobs = _read(ports.scheduler_control, "/stats").get("jobs", 0)
    return len(queues) == _QUEUES and jobs == 1


def _read(port: int, path: str) -> dict[str, Any]:
    """Return the JSON object that a control port answers with, or nothing yet."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()


def _answers(port: int) -> bool:
    """Return whether a function is loaded: its server listens before and answers only then."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _ensure_key(path: Path) -> Path:
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        draft.touch(mode=0o600)
        draft.write_text(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
        draft.rename(path)  # whole or not at all, whatever is cut in between
    return path
