"""The control API over HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.cloud_scheduler.faults import Fault, FaultKind
from infra.local.cloud_scheduler.running import RunningCloudScheduler, running_cloud_scheduler


@pytest.fixture(scope="module")
def scheduler() -> Generator[RunningCloudScheduler, None, None]:
    with running_cloud_scheduler() as scheduler:
        yield scheduler


def call(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 (loopback)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_says_that_it_is_well(scheduler: RunningCloudScheduler) -> None:
    assert call(f"{scheduler.control_url}/healthz") == (200, {"status": "ok"})


def test_it_serves_certificates_by_key_id(scheduler: RunningCloudScheduler) -> None:
    status, certificates = call(scheduler.certs_url)
    assert status == 200
    assert all(pem.startswith("-----BEGIN CERTIFICATE") for pem in certificates.values())


def test_faults_can_be_set_read_and_cleared(scheduler: RunningCloudScheduler) -> None:
    fault = Fault(FaultKind.DELAY, job="nobody", seconds=2, times=1)
    scheduler.set_faults(fault)
    assert scheduler.faults() == [{**asdict(fault), "hits": 0}]
    scheduler.clear_faults()
    assert scheduler.faults() == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"kind": "drop"}', b'[{"kind": "explode"}]'])
def test_what_is_not_a_list_of_faults_is_refused(
    scheduler: RunningCloudScheduler, body: bytes
) -> None:
    status, answer = call(f"{scheduler.control_url}/faults", "PUT", body)
    assert (status, answer.keys()) == (400, {"error"})


def test_the_clock_moves_ahead(scheduler: RunningCloudScheduler) -> None:
    url = f"{scheduler.control_url}/clock"
    before = datetime.now(UTC)
    status, answer = call(url, "POST", b'{"advance_seconds": 86400}')
    assert status == 200
    assert (datetime.fromisoformat(answer["now"]) - before).days == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"advance_seconds": -1}', b'{"advance_seconds": "1"}']
)
def test_the_clock_moves_in_no_other_way(scheduler: RunningCloudScheduler, body: bytes) -> None:
    assert call(f"{scheduler.control_url}/clock", "POST", body)[0] == 400
