"""A server for the length of a `with` block, in a process of its own, and calls of its control."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from infra.local.emulator.addresses import Addresses
from infra.local.leash import Leash
from shared.errors import ConfigurationError

_ROOT = Path(__file__).resolve().parents[3]
_CALL_SECONDS = 10.0
_STOP_SECONDS = 10.0


@contextmanager
def running_server(
    module: str, *arguments: str, key_file: Path | None
) -> Generator[Addresses, None, None]:
    """Run a module that serves, and end it afterwards.

    Without a `key_file` the signing key lives as long as the server. Raises `ConfigurationError`
    when the server does not start; it has said why on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="syncline-") as folder:
        key = key_file or Path(folder) / "identity.pem"
        command = (sys.executable, "-m", module, *arguments, "--key-file", str(key.resolve()))
        with _child(command) as child:
            line = child.stdout.readline() if child.stdout is not None else ""
            if not line:
                raise ConfigurationError(f"The server {module} did not start.")
            yield Addresses.from_line(line)


def call_control(control_url: str, method: str, path: str, body: Any = None) -> Any:
    """Send a control request with a JSON body and return what its answer says, if anything.

    Raises `requests.RequestException` if it is refused or not answered in ten seconds.
    """
    response = requests.request(method, f"{control_url}{path}", json=body, timeout=_CALL_SECONDS)
    response.raise_for_status()
    return response.json() if response.content else None


@contextmanager
def _child(command: Sequence[str]) -> Generator[subprocess.Popen[str], None, None]:
    with (
        Leash() as leash,
        subprocess.Popen(
            command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as child,
    ):
        leash.hold(child.pid, signal.SIGTERM)
        try:
            yield child
        finally:
            _end(child)
            leash.release(child.pid)


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
