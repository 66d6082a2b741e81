"""The command, as a process of its own."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE_SECONDS = 30


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command and kill it at the end if it is still there."""
    with subprocess.Popen(
        [sys.executable, "-m", "infra.local.cloud_kms", *arguments],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_its_addresses_and_ends_quietly_when_asked(
    number: signal.Signals, tmp_path: Path
) -> None:
    with started("--port", "0", "--key-file", str(tmp_path / "key.pem")) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        for place in (addresses["address"], addresses["control_url"].removeprefix("http://")):
            host, _, port = place.partition(":")
            socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()
        process.send_signal(number)
        output, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_a_taken_port_gives_one_sentence(option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with started(option, port, "--key-file", str(tmp_path / "key.pem")) as process:
            output, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (process.returncode, output) == (1, "")
    assert errors.count("\n") == 1
    assert f"Port {port} of 127.0.0.1 cannot be listened on" in errors
