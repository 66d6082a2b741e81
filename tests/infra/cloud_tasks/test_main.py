import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.cloud_tasks.__main__ import main

ANY_PORT = ("--port", "0")


@contextmanager
def command(*arguments: str, key_file: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "infra.local.cloud_tasks", "--key-file", key_file, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_line_tells_the_addresses_and_a_signal_ends_it_cleanly(
    tmp_path: Path, number: signal.Signals
) -> None:
    with command(*ANY_PORT, key_file=tmp_path / "key.pem") as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        assert set(addresses) == {"address", "control_url", "certs_url"}
        host, _, port = addresses["address"].partition(":")
        socket.create_connection((host, int(port))).close()
        process.send_signal(number)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_a_taken_port_is_one_sentence_and_exit_code_1(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with command(*ANY_PORT, option, port, key_file=tmp_path / "key.pem") as process:
            output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert errors.splitlines()[-1].startswith(f"Port {port} of 127.0.0.1 cannot be listened on")


def test_two_servers_never_share_a_port(tmp_path: Path) -> None:
    with command(*ANY_PORT, key_file=tmp_path / "key.pem") as first:
        assert first.stdout is not None
        port = json.loads(first.stdout.readline())["address"].rpartition(":")[2]
        with command("--port", port, key_file=tmp_path / "key.pem") as second:
            second.communicate()
    assert second.returncode == 1


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--port={port}"])
    assert f"'{port}' is no port" in capsys.readouterr().err


def test_a_malformed_queue_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    with command(*ANY_PORT, "--queue", "syncs", key_file=tmp_path / "key.pem") as process:
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.startswith("Queue name must be formatted")
    assert len(errors.splitlines()) == 1
