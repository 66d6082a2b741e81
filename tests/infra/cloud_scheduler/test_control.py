"""The clock over HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

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
