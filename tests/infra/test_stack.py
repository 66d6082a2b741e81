"""The rules of `infra.local.stack` and the demo on it, with every process running."""

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from infra.local.demo import source
from infra.local.demo.api import Api, RefusedError
from infra.local.demo.seed import seed
from infra.local.demo.state import FLIGHTS, Demo, is_known, load, save
from infra.local.ports import Ports, is_free
from infra.local.postgres import THROW_AWAY
from infra.local.processes import ChildCrashedError
from infra.local.stack import DATABASE, Stack, prepare, started
from shared.errors import ConfigurationError
from shared.store.engine import create_engine_for


@dataclass(frozen=True, slots=True)
class Running:
    folder: Path
    stack: Stack
    engine: Engine
    demo: Demo


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with (
        tempfile.TemporaryDirectory(prefix="syncline-test-") as name,
        started(Path(name), Ports.free(), lambda *_: None, THROW_AWAY) as stack,
    ):
        prepare(stack)
        engine = create_engine_for(stack.settings.database_url, pool_size=1)
        yield Running(Path(name), stack, engine, _seed(Path(name), stack, engine))
        engine.dispose()


def _seed(folder: Path, stack: Stack, engine: Engine) -> Demo:
    source_url = stack.postgres.libpq_url(source.DATABASE)
    return seed(engine, stack.ports.api, source_url, folder / "demo.json")


def test_a_second_start_on_the_same_data_is_refused_naming_the_first(running: Running) -> None:
    with (
        pytest.raises(ConfigurationError, match=f"already runs on .* \\(process {os.getpid()}\\)"),
        started(running.folder, Ports.free(), lambda *_: None),
    ):
        pass


def test_taken_ports_are_told_before_anything_starts(running: Running, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=f"Port {running.stack.ports.api}, for api, is"),
        started(tmp_path, running.stack.ports, lambda *_: None),
    ):
        pass
    assert not (tmp_path / "postgres").exists()


def test_seeding_again_changes_nothing(running: Running) -> None:
    assert _seed(running.folder, running.stack, running.engine) == running.demo
    assert load(running.folder / "demo.json") == running.demo


def test_a_lost_key_is_replaced_and_the_rest_of_the_demo_kept(running: Running) -> None:
    other = running.folder / "other"
    other.mkdir(exist_ok=True)

    demo = _seed(other, running.stack, running.engine)

    assert demo.api_key != running.demo.api_key
    assert demo.connectors == running.demo.connectors


def test_a_key_of_an_older_database_is_replaced(running: Running) -> None:
    stale = replace(running.demo, api_key=f"syn_{'0' * 12}_{'0' * 64}")
    save(running.folder / "stale.json", stale)

    assert not is_known(stale, running.stack.ports.api)
    source_url = stale.source_url
    seeded = seed(
        running.engine, running.stack.ports.api, source_url, running.folder / "stale.json"
    )
    assert is_known(seeded, running.stack.ports.api)


def test_the_demo_follows_its_source_to_another_port(running: Running) -> None:
    api = Api(running.stack.ports.api, running.demo.api_key)
    path = f"/connectors/{running.demo.connectors[FLIGHTS].connector}"
    moved = running.demo.source_url.replace(f":{running.stack.ports.postgres}/", ":5999/")

    seed(running.engine, running.stack.ports.api, moved, running.folder / "moved.json")
    assert ":5999/" in api.get(path)["config"]["url"]

    _seed(running.folder, running.stack, running.engine)
    assert f":{running.stack.ports.postgres}/" in api.get(path)["config"]["url"]


def test_secrets_of_the_stack_are_readable_by_their_owner_alone(running: Running) -> None:
    for name in ("master.key", "demo.json", "oidc-key.pem"):
        assert (running.folder / name).stat().st_mode & 0o077 == 0


def test_a_refusal_of_the_api_is_told_with_its_status(running: Running) -> None:
    with pytest.raises(RefusedError, match="was answered 401") as caught:
        Api(running.stack.ports.api, "syn_no_key").get("/connectors")

    assert caught.value.status == 401


def test_a_killed_function_is_named_and_everything_ends_while_the_data_stays() -> None:
    ports = Ports.free()
    with tempfile.TemporaryDirectory(prefix="syncline-test-") as name:
        with pytest.raises(ChildCrashedError, match="worker was killed by SIGKILL"):
            _run_and_lose_the_worker(Path(name), ports)

        assert all(map(is_free, astuple(ports)))
        with started(Path(name), ports, lambda *_: None, THROW_AWAY) as stack:
            assert stack.postgres.has_database(DATABASE)


def _run_and_lose_the_worker(folder: Path, ports: Ports) -> None:
    with started(folder, ports, lambda *_: None, THROW_AWAY) as stack:
        prepare(stack)
        children = psutil.Process().children(recursive=True)
        _only(children, f"--port {ports.worker}").send_signal(signal.SIGKILL)
        stack.supervisor.wait()


def _only(processes: list[psutil.Process], words: str) -> psutil.Process:
    """Return the one process with `words` in its command line that has no parent among them."""
    found = [one for one in processes if words in " ".join(one.cmdline())]
    return next(one for one in found if one.ppid() == os.getpid())
