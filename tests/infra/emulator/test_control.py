"""The control that both servers have, each through its own process."""

from collections.abc import Iterator
from typing import TypeAlias

import pytest
import requests

from infra.local.cloud_scheduler.faults import Fault as SchedulerFault
from infra.local.cloud_scheduler.faults import FaultKind as SchedulerFaultKind
from infra.local.cloud_scheduler.running import RunningCloudScheduler, running_cloud_scheduler
from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks

Running: TypeAlias = RunningCloudTasks | RunningCloudScheduler


@pytest.fixture(scope="module", params=[running_cloud_tasks, running_cloud_scheduler])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with request.param() as running:
        yield running


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=20)


def test_it_says_that_it_is_well(server: Running) -> None:
    assert get(f"{server.control_url}/healthz").json() == {"status": "ok"}


def test_it_serves_certificates_by_key_id_that_may_be_kept(server: Running) -> None:
    answer = get(server.certs_url)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert all(pem.startswith("-----BEGIN CERTIFICATE") for pem in answer.json().values())


def test_faults_can_be_set_read_and_cleared(server: Running) -> None:
    url = f"{server.control_url}/faults"
    put = requests.put(url, json=[{"kind": "delay", "seconds": 2, "times": 1}], timeout=20)
    assert put.json() == get(url).json()
    (fault,) = put.json()["faults"]
    assert (fault["kind"], fault["times"], fault["asked"], fault["hits"]) == ("delay", 1, 0, 0)
    server.clear_faults()
    assert server.faults() == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"kind": "drop"}', b'[{"kind": "explode"}]'])
def test_what_is_not_a_list_of_faults_is_refused_and_changes_nothing(
    server: Running, body: bytes
) -> None:
    answer = requests.put(f"{server.control_url}/faults", data=body, timeout=20)
    assert (answer.status_code, answer.json().keys()) == (400, {"error"})
    assert server.faults() == []


def test_a_typed_fault_is_told_with_its_counts() -> None:
    with running_cloud_scheduler() as scheduler:
        scheduler.set_faults(SchedulerFault(SchedulerFaultKind.DROP, job="nobody"))
        assert [(told["job"], told["hits"]) for told in scheduler.faults()] == [("nobody", 0)]
