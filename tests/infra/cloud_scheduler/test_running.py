"""The scheduler for the length of a block."""

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from infra.local.cloud_scheduler.running import running_cloud_scheduler
from infra.local.identity import LocalSigner
from shared.errors import ConfigurationError


def test_it_listens_within_the_block_and_not_after_it() -> None:
    with running_cloud_scheduler() as scheduler:
        host, _, port = scheduler.address.partition(":")
        socket.create_connection((host, int(port)), 20).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 20)


def test_it_signs_with_the_key_that_it_is_given(tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    signer = LocalSigner.load_or_create(key_file)
    with (
        running_cloud_scheduler(key_file=key_file) as scheduler,
        urllib.request.urlopen(scheduler.certs_url, timeout=20) as response,  # noqa: S310
    ):
        assert json.load(response) == signer.certs()


def test_a_taken_port_raises() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError), running_cloud_scheduler(port=port):
            pass
