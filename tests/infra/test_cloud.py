"""Both local clouds in one process: what the local stack starts."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from infra.local.ports import HOST, Ports
from tests.infra.cloud_environment import environment

PATIENCE = 30.0


def command(ports: Ports, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "infra.local.cloud"),
        *("--tasks-port", str(ports.tasks), "--tasks-control-port", str(ports.tasks_control)),
        *("--scheduler-port", str(ports.scheduler)),
        *("--scheduler-control-port", str(ports.scheduler_control)),
        *("--key-file", str(folder / "key.pem")),
    ]


def read(port: int) -> dict:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/stats", timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return {}


def test_it_makes_the_queues_and_the_tick_job_and_ends_on_a_signal(tmp_path: Path) -> None:
    ports = Ports.free()
    process = subprocess.Popen(command(ports, tmp_path), env=environment(ports))
    try:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            queues, job = read(ports.tasks_control).get("queues", {}), read(ports.scheduler_control)
            if len(queues) == 2 and job.get("jobs") == 1:
                break
            time.sleep(0.1)
        assert sorted(name.rsplit("/", 1)[1] for name in queues) == [
            "syncs-interactive",
            "syncs-scheduled",
        ]
        assert job["jobs"] == 1
    finally:
        process.terminate()
    assert process.wait(timeout=PATIENCE) == 0


def test_a_taken_port_ends_it_with_one_sentence(tmp_path: Path) -> None:
    ports = Ports.free()
    with socket.create_server((HOST, ports.scheduler)):
        done = subprocess.run(
            command(ports, tmp_path),
            env=environment(ports),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {ports.scheduler} of {HOST} cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr
