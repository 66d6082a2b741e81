"""The store of keys refuses what the service refuses, with its status."""

from datetime import UTC, datetime

import pytest
from grpc import StatusCode

from infra.local.cloud_kms.keys import Key, KeyStore
from infra.local.cloud_kms.messages import DISABLED, ENABLED
from infra.local.emulator.errors import ApiError

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LOCATION = "projects/p/locations/l"


@pytest.fixture
def keys() -> KeyStore:
    return KeyStore()


@pytest.fixture
def key(keys: KeyStore) -> Key:
    return keys.create_key(keys.create_ring(LOCATION, "ring"), "key", NOW, is_bare=False)


def status_of(call: object, *arguments: object) -> StatusCode:
    assert callable(call)
    with pytest.raises(ApiError) as refused:
        call(*arguments)
    return refused.value.status


@pytest.mark.parametrize(
    "name",
    ["", "key", LOCATION, f"{LOCATION}/keyRings/r", f"{LOCATION}/keyRings/r/cryptoKeys/a b"],
)
def test_a_name_of_something_else_is_an_invalid_argument(keys: KeyStore, name: str) -> None:
    assert status_of(keys.key, name) is StatusCode.INVALID_ARGUMENT
    assert status_of(keys.encrypt, name, b"", b"") is StatusCode.INVALID_ARGUMENT
    assert status_of(keys.version, name) is StatusCode.INVALID_ARGUMENT


def test_a_key_without_a_version_encrypts_nothing(keys: KeyStore) -> None:
    bare = keys.create_key(keys.create_ring(LOCATION, "ring"), "key", NOW, is_bare=True)
    assert status_of(keys.encrypt, bare.name, b"x", b"") is StatusCode.FAILED_PRECONDITION
    keys.create_version(bare.name, NOW)
    keys.set_primary(bare.name, "1")
    _, ciphertext = keys.encrypt(bare.name, b"x", b"")
    assert keys.decrypt(bare.name, ciphertext, b"") == (b"x", True)


def test_a_primary_version_has_to_be_there(keys: KeyStore, key: Key) -> None:
    assert status_of(keys.set_primary, key.name, "2") is StatusCode.NOT_FOUND
    assert status_of(keys.set_primary, key.name, "one") is StatusCode.INVALID_ARGUMENT


def test_a_version_is_enabled_or_disabled_and_nothing_else(keys: KeyStore, key: Key) -> None:
    version = f"{key.name}/cryptoKeyVersions/1"
    assert keys.set_state(version, DISABLED).state == DISABLED
    assert keys.set_state(version, ENABLED).state == ENABLED
    assert status_of(keys.set_state, version, 0) is StatusCode.INVALID_ARGUMENT


def test_a_ciphertext_of_an_older_version_says_that_it_is(keys: KeyStore, key: Key) -> None:
    _, ciphertext = keys.encrypt(key.name, b"x", b"")
    keys.create_version(key.name, NOW)
    keys.set_primary(key.name, "2")
    assert keys.decrypt(key.name, ciphertext, b"") == (b"x", False)


def test_what_a_key_prints_is_not_its_secret(key: Key) -> None:
    assert repr(key.versions[0].secret) not in repr(key)
