"""What docs/adding-a-connector-type.md says is enough to add a connector type."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

import shared.connectors
from shared.connectors import registry
from shared.connectors.base import SourceAccess, SyncRequest, SyncResult
from shared.connectors.secrets import split_secrets
from shared.domain.fault import Fault
from shared.errors import PermanentError, TransientError
from tests.connectors.databases import DATASET, Postgres, hold_lease, never_has_time
from tests.loopback import LOOPBACK

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "adding-a-connector-type.md"
SLUG = "json_lines"
TOKEN = "canary-token"
_FILE = re.compile(
    r"^`shared/connectors/(json_lines/\w+\.py)`\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL
)


class _Lines(BaseHTTPRequestHandler):
    """Serves the records of its server as JSON lines to whoever has the token."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.send_response(200 if is_known else 401)
        self.end_headers()
        if is_known:
            for record in self.server.records:  # pyright: ignore[reportAttributeAccessIssue]
                line = record if isinstance(record, str) else json.dumps(record)
                self.wfile.write(f"{line}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name)
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds the type as the guide writes it."""
    files = _FILE.findall(GUIDE.read_text())
    assert {name for name, _ in files} == {
        f"{SLUG}/{name}.py" for name in ("__init__", "config", "source", "look", "sync")
    }
    (tmp_path / SLUG).mkdir()
    for name, text in files:
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the registry find the type beside those that are there."""
    monkeypatch.setattr(shared.connectors, "__path__", [*shared.connectors.__path__, str(folder)])
    registry.slugs.cache_clear()
    yield
    registry.slugs.cache_clear()
    registry.connector_type.cache_clear()
    for name in [name for name in sys.modules if f"connectors.{SLUG}" in name]:
        del sys.modules[name]


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lines)
    server.records = [{"id": n, "price": 0.1 * n, "note": f"n{n}"} for n in range(5)]  # pyright: ignore[reportAttributeAccessIssue]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _config(server: ThreadingHTTPServer, **more: object) -> Any:
    plain = {
        "url": f"http://127.0.0.1:{server.server_port}/orders.jsonl",
        "token": TOKEN,
        "stream": "orders",
        "primary_key": ["id"],
        **more,
    }
    return registry.connector_type(SLUG).config_model.model_validate(plain)


def _request(server: ThreadingHTTPServer, dataset: Postgres) -> SyncRequest:
    return SyncRequest(
        run_id=uuid4(),
        connector_id=uuid4(),
        config=_config(server),
        watermarks={},
        dataset_url=dataset.dsn,
        dataset_name=DATASET,
        guard=LOOPBACK,
    )


def _sync(request: SyncRequest) -> SyncResult:
    return registry.connector_type(SLUG).sync(request, hold_lease)


@pytest.mark.usefixtures("added")
def test_the_type_is_found_and_its_secret_is_sealed(server: ThreadingHTTPServer) -> None:
    assert SLUG in registry.slugs()
    plain, secrets = split_secrets(_config(server))
    assert "token" not in plain
    assert secrets == {"/token": TOKEN}


@pytest.mark.usefixtures("added")
def test_it_syncs_in_one_piece_and_in_slices_and_follows_deletions(
    server: ThreadingHTTPServer, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = _request(server, dataset)
    assert _sync(request).records_created == 5
    rows = f"SELECT id, price, note FROM {DATASET}.orders ORDER BY 1"
    whole = dataset.rows(rows)
    assert (len(whole), str(whole[3][1])) == (5, "0.30000000000000004")
    server.records = server.records[1:]  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setattr(f"shared.connectors.{SLUG}.sync.PAGE_ROWS", 3)
    sliced = replace(request, run_id=uuid4(), has_time=never_has_time)
    first = _sync(sliced)
    assert first.positions == {"orders": {"records": 3, "landed": True}}
    last = _sync(replace(sliced, positions=first.positions))
    assert (last.positions, last.metadata["records_deleted"]) == (None, 1)
    assert dataset.rows(rows) == whole[1:]


@pytest.mark.usefixtures("added")
def test_a_look_at_it_says_what_is_wrong(server: ThreadingHTTPServer) -> None:
    type_ = registry.connector_type(SLUG)

    def access(**more: object) -> SourceAccess:
        return SourceAccess(config=_config(server, **more), guard=LOOPBACK)

    assert type_.check(access()) == []
    (stream,) = type_.streams(access())
    assert [column.name for column in stream.columns] == ["id", "price", "note"]
    (failure,) = type_.check(access(primary_key=["nothing"]))
    assert failure.error.fault is Fault.SCHEMA
    with pytest.raises(PermanentError) as refused:
        type_.check(access(token="wrong"))
    assert refused.value.fault is Fault.LOGIN
    with pytest.raises(TransientError) as nobody:
        type_.check(access(url="https://nobody.invalid/orders.jsonl"))
    assert nobody.value.fault is Fault.NAME_NOT_RESOLVED


@pytest.mark.usefixtures("added")
def test_a_line_that_is_no_json_is_told(server: ThreadingHTTPServer, dataset: Postgres) -> None:
    server.records.insert(2, '{"id": 9')  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(PermanentError, match="Line 3 of the file is not JSON"):
        _sync(_request(server, dataset))


def test_it_passes_the_checks_of_the_house_and_loads_no_dlt_to_be_looked_at(folder: Path) -> None:
    program = f"""
import sys
import shared.connectors
shared.connectors.__path__.append({str(folder)!r})
from shared.connectors.registry import connector_type
import shared.connectors.json_lines.look
assert connector_type("json_lines").slug == "json_lines"
sys.exit("dlt" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
    check = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml")]
    ignored = ["--ignore", "INP001,I001,PLC0415,BLE001"]
    linted = subprocess.run([*check, *ignored, str(folder)], capture_output=True, check=False)
    assert linted.returncode == 0, linted.stdout.decode()
