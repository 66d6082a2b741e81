"""What Syncline relies on in Cloud KMS, through the real client over gRPC."""

import os
from collections.abc import Iterator

import pytest
from google.api_core import exceptions
from google.cloud.kms_v1 import CryptoKey, KeyManagementServiceClient
from google_crc32c import value as crc32c

from infra.local.cloud_kms.running import running_cloud_kms
from tests.contracts.kms import LOCATION, State, new_key, new_ring, rotate, set_state

PLAINTEXT = b"a data key of thirty-two bytes.."
CONTEXT = b"v1|7|connector"


@pytest.fixture(scope="module")
def client() -> Iterator[KeyManagementServiceClient]:
    with running_cloud_kms() as kms, kms.client() as client:
        yield client


@pytest.fixture(scope="module")
def ring(client: KeyManagementServiceClient) -> str:
    return new_ring(client)


@pytest.fixture
def key(client: KeyManagementServiceClient, ring: str) -> str:
    return new_key(client, ring)


def encrypt(client: KeyManagementServiceClient, name: str, **fields: object) -> bytes:
    """Return a ciphertext that names the version that made it."""
    request = {"plaintext": PLAINTEXT, "additional_authenticated_data": CONTEXT, **fields}
    return client.encrypt({"name": name, **request}).ciphertext


def decrypt(
    client: KeyManagementServiceClient, name: str, ciphertext: bytes, context: bytes = CONTEXT
) -> bytes:
    request = {"ciphertext": ciphertext, "additional_authenticated_data": context}
    return client.decrypt({"name": name, **request}).plaintext


class TestKeys:
    def test_a_key_begins_with_a_version_that_is_its_primary(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        found = client.get_crypto_key(name=key)
        assert (found.name, found.purpose) == (key, CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT)
        assert found.primary.name == f"{key}/cryptoKeyVersions/1"
        assert found.primary.state is State.ENABLED

    def test_a_ring_and_a_key_are_created_once(
        self, client: KeyManagementServiceClient, ring: str, key: str
    ) -> None:
        with pytest.raises(exceptions.AlreadyExists):
            client.create_key_ring(
                parent=LOCATION, key_ring_id=ring.rpartition("/")[2], key_ring={}
            )
        with pytest.raises(exceptions.AlreadyExists):
            client.create_crypto_key(
                parent=ring,
                crypto_key_id=key.rpartition("/")[2],
                crypto_key=CryptoKey(purpose=CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT),
            )

    def test_a_key_needs_a_ring_a_purpose_and_a_plain_name(
        self, client: KeyManagementServiceClient, ring: str
    ) -> None:
        symmetric = CryptoKey(purpose=CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT)
        with pytest.raises(exceptions.NotFound):
            client.create_crypto_key(
                parent=f"{LOCATION}/keyRings/nowhere", crypto_key_id="a", crypto_key=symmetric
            )
        with pytest.raises(exceptions.InvalidArgument):
            client.create_crypto_key(parent=ring, crypto_key_id="a", crypto_key=CryptoKey())
        with pytest.raises(exceptions.InvalidArgument):
            client.create_crypto_key(parent=ring, crypto_key_id="a b", crypto_key=symmetric)

    def test_what_is_not_there_is_not_found(
        self, client: KeyManagementServiceClient, ring: str, key: str
    ) -> None:
        absent = f"{ring}/cryptoKeys/absent"
        with pytest.raises(exceptions.NotFound):
            client.get_crypto_key(name=absent)
        with pytest.raises(exceptions.NotFound):
            encrypt(client, absent)
        with pytest.raises(exceptions.NotFound):
            decrypt(client, absent, encrypt(client, key))
        with pytest.raises(exceptions.NotFound):
            client.get_crypto_key_version(name=f"{key}/cryptoKeyVersions/9")

    def test_a_new_version_is_enabled_and_not_yet_the_primary(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        version = client.create_crypto_key_version(parent=key, crypto_key_version={})
        assert (version.name, version.state) == (f"{key}/cryptoKeyVersions/2", State.ENABLED)
        assert client.get_crypto_key_version(name=version.name).state is State.ENABLED
        assert client.get_crypto_key(name=key).primary.name == f"{key}/cryptoKeyVersions/1"


class TestEncryption:
    def test_what_was_encrypted_is_decrypted_under_the_name_of_the_key(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        assert decrypt(client, key, encrypt(client, key)) == PLAINTEXT

    def test_no_two_ciphertexts_are_alike(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        assert encrypt(client, key) != encrypt(client, key)

    def test_up_to_64_kib_are_encrypted(self, client: KeyManagementServiceClient, key: str) -> None:
        longest = os.urandom(65_536)
        assert decrypt(client, key, encrypt(client, key, plaintext=longest)) == longest
        with pytest.raises(exceptions.InvalidArgument):
            encrypt(client, key, plaintext=longest + b"x")

    def test_the_additional_data_has_to_be_the_same(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        ciphertext = encrypt(client, key)
        for other in (b"", CONTEXT[:-1], CONTEXT + b"x"):
            with pytest.raises(exceptions.InvalidArgument):
                decrypt(client, key, ciphertext, other)

    def test_another_key_decrypts_nothing(
        self, client: KeyManagementServiceClient, ring: str, key: str
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument):
            decrypt(client, new_key(client, ring), encrypt(client, key))

    @pytest.mark.parametrize("ciphertext", [b"", b"x", b"x" * 100])
    def test_what_is_no_ciphertext_is_an_invalid_argument(
        self, client: KeyManagementServiceClient, key: str, ciphertext: bytes
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument):
            decrypt(client, key, ciphertext)

    def test_damaged_ciphertext_is_an_invalid_argument(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        ciphertext = encrypt(client, key)
        damaged = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
        for wrong in (damaged, ciphertext[:-1], ciphertext + b"x"):
            with pytest.raises(exceptions.InvalidArgument):
                decrypt(client, key, wrong)

    def test_the_name_of_a_version_decrypts_nothing(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument):
            decrypt(client, f"{key}/cryptoKeyVersions/1", encrypt(client, key))


class TestVersions:
    def test_the_answer_names_the_version_that_encrypted(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        answer = client.encrypt(name=key, plaintext=PLAINTEXT)
        assert answer.name == f"{key}/cryptoKeyVersions/1"

    def test_after_a_rotation_the_old_version_still_decrypts(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        before = encrypt(client, key)
        version = rotate(client, key)
        assert client.encrypt(name=key, plaintext=PLAINTEXT).name == version
        assert decrypt(client, key, before) == PLAINTEXT
        assert decrypt(client, key, encrypt(client, key)) == PLAINTEXT

    def test_a_version_can_be_named_to_encrypt(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        rotate(client, key)
        first = f"{key}/cryptoKeyVersions/1"
        assert client.encrypt(name=first, plaintext=PLAINTEXT).name == first

    def test_a_disabled_version_fails_a_precondition_until_it_is_enabled(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        ciphertext, first = encrypt(client, key), f"{key}/cryptoKeyVersions/1"
        set_state(client, first, State.DISABLED)
        with pytest.raises(exceptions.FailedPrecondition):
            decrypt(client, key, ciphertext)
        with pytest.raises(exceptions.FailedPrecondition):
            encrypt(client, key)
        set_state(client, first, State.ENABLED)
        assert decrypt(client, key, ciphertext) == PLAINTEXT


class TestChecksums:
    def test_checksums_that_arrive_are_verified_and_answered(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        answer = client.encrypt(
            {
                "name": key,
                "plaintext": PLAINTEXT,
                "plaintext_crc32c": crc32c(PLAINTEXT),
                "additional_authenticated_data": CONTEXT,
                "additional_authenticated_data_crc32c": crc32c(CONTEXT),
            }
        )
        assert answer.verified_plaintext_crc32c
        assert answer.verified_additional_authenticated_data_crc32c
        assert answer.ciphertext_crc32c == crc32c(answer.ciphertext)
        opened = client.decrypt(
            {
                "name": key,
                "ciphertext": answer.ciphertext,
                "ciphertext_crc32c": crc32c(answer.ciphertext),
                "additional_authenticated_data": CONTEXT,
                "additional_authenticated_data_crc32c": crc32c(CONTEXT),
            }
        )
        assert opened.plaintext_crc32c == crc32c(PLAINTEXT)

    def test_without_checksums_nothing_is_said_to_be_verified(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        answer = client.encrypt(name=key, plaintext=PLAINTEXT)
        assert not answer.verified_plaintext_crc32c
        assert not answer.verified_additional_authenticated_data_crc32c

    @pytest.mark.parametrize("field", ["plaintext", "additional_authenticated_data"])
    def test_a_checksum_that_differs_is_an_invalid_argument(
        self, client: KeyManagementServiceClient, key: str, field: str
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument, match=field):
            encrypt(client, key, **{f"{field}_crc32c": 1})

    def test_a_checksum_of_a_ciphertext_that_differs_is_an_invalid_argument(
        self, client: KeyManagementServiceClient, key: str
    ) -> None:
        request = {"name": key, "ciphertext": encrypt(client, key), "ciphertext_crc32c": 1}
        with pytest.raises(exceptions.InvalidArgument, match="ciphertext_crc32c"):
            client.decrypt({**request, "additional_authenticated_data": CONTEXT})
