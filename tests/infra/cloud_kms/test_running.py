"""The Cloud KMS for the length of a block."""

import socket

import pytest
from google.api_core import exceptions

from infra.local.cloud_kms.faults import Fault, FaultKind
from infra.local.cloud_kms.running import running_cloud_kms
from shared.errors import ConfigurationError
from tests.contracts.kms import new_key, new_ring


def test_it_listens_within_the_block_and_not_after_it() -> None:
    with running_cloud_kms() as kms:
        host, _, port = kms.address.partition(":")
        socket.create_connection((host, int(port)), 20).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 20)


def test_a_taken_port_raises() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(ConfigurationError),
            running_cloud_kms(port=taken.getsockname()[1]),
        ):
            pass


def test_a_fault_strikes_the_calls_that_it_is_for_until_it_is_cleared() -> None:
    with running_cloud_kms() as kms, kms.client() as client:
        key = new_key(client, new_ring(client))
        kms.set_faults(Fault(FaultKind.FAIL, method="Decrypt", code="PERMISSION_DENIED"))
        ciphertext = client.encrypt(name=key, plaintext=b"x").ciphertext
        with pytest.raises(exceptions.PermissionDenied):
            client.decrypt(name=key, ciphertext=ciphertext)
        assert [(fault["asked"], fault["hits"]) for fault in kms.faults()] == [(1, 1)]
        kms.clear_faults()
        assert client.decrypt(name=key, ciphertext=ciphertext).plaintext == b"x"
