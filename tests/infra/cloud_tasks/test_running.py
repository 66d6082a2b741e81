from pathlib import Path

import grpc
import pytest
from google.cloud.tasks_v2 import CloudTasksClient

from infra.local.cloud_tasks.running import running_cloud_tasks
from infra.local.emulator.running import call_control
from infra.local.identity import LocalSigner
from shared.errors import ConfigurationError
from tests.infra.cloud_tasks.hand import LOCATION, QUEUE


def queues_of(client: CloudTasksClient) -> list[str]:
    return [queue.name for queue in client.list_queues(parent=LOCATION)]


def test_it_runs_with_its_queues_for_the_length_of_the_block() -> None:
    with running_cloud_tasks(QUEUE) as running:
        with running.client() as client:
            assert queues_of(client) == [QUEUE]
        assert running.stats(QUEUE)["tasks"] == 0
    with grpc.insecure_channel(running.address) as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=0.2)


def test_it_ends_when_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), running_cloud_tasks() as running:
        raise ZeroDivisionError
    with grpc.insecure_channel(running.address) as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=0.2)


def test_it_signs_with_the_key_that_it_is_given(tmp_path: Path) -> None:
    signer = LocalSigner.load_or_create(tmp_path / "key.pem")
    with running_cloud_tasks(key_file=tmp_path / "key.pem") as running:
        assert call_control(running.control_url, "GET", "/certs") == signer.certs()


def test_a_server_that_does_not_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(ConfigurationError, match="did not start"),
        running_cloud_tasks("no queue name"),
    ):
        pass
    assert "Queue name must be formatted" in capfd.readouterr().err
