import socket
from pathlib import Path

import pytest

from infra.local.emulator.running import call_control, running_server
from infra.local.identity import LocalSigner
from shared.errors import ConfigurationError

MODULE = "infra.local.cloud_scheduler"


def test_a_server_signs_with_the_key_that_it_is_given(tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    signer = LocalSigner.load_or_create(key_file)
    with running_server(MODULE, key_file=key_file) as addresses:
        assert call_control(addresses.control_url, "GET", "/certs") == signer.certs()


def test_a_server_ends_when_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), running_server(MODULE, key_file=None) as addresses:
        raise ZeroDivisionError
    host, _, port = addresses.address.partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 20)


def test_a_server_that_does_not_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(ConfigurationError, match="did not start"),
        running_server(MODULE, "--port", "http", key_file=None),
    ):
        pass
    assert "'http' is no port" in capfd.readouterr().err
