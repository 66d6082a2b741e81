"""The gRPC face: google.cloud.kms.v1.KeyManagementService by generic handlers."""

from collections.abc import Callable
from datetime import datetime

import grpc
from google_crc32c import value as crc32c

from infra.local.cloud_kms import messages
from infra.local.cloud_kms.faults import FaultKind, FaultPlan
from infra.local.cloud_kms.keys import Key, KeyStore, Version
from infra.local.cloud_kms.messages import KeyMessage, VersionMessage, set_instant
from infra.local.cloud_kms.names import version_name
from infra.local.emulator.errors import invalid, not_served
from infra.local.emulator.messages import Message
from infra.local.emulator.methods import Method, generic_handler

_SERVICE = "google.cloud.kms.v1.KeyManagementService"
_NAME = "Cloud KMS"


class CloudKmsService:
    """Answers each call from a store of keys, unless a fault strikes it."""

    def __init__(self, keys: KeyStore, faults: FaultPlan, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._faults = faults
        self._now = now

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a gRPC server is to be given."""
        methods: dict[str, Method] = {
            "CreateKeyRing": (messages.CreateKeyRingRequest, self._create_ring),
            "CreateCryptoKey": (messages.CreateCryptoKeyRequest, self._create_key),
            "GetCryptoKey": (messages.GetCryptoKeyRequest, self._get_key),
            "UpdateCryptoKeyPrimaryVersion": (messages.UpdatePrimaryRequest, self._set_primary),
            "CreateCryptoKeyVersion": (messages.CreateVersionRequest, self._create_version),
            "GetCryptoKeyVersion": (messages.GetVersionRequest, self._get_version),
            "UpdateCryptoKeyVersion": (messages.UpdateVersionRequest, self._update_version),
            "Encrypt": (messages.EncryptRequest, self._encrypt),
            "Decrypt": (messages.DecryptRequest, self._decrypt),
        }
        return generic_handler(_SERVICE, methods)

    def _create_ring(self, request: Message) -> Message:
        return messages.KeyRing(name=self._keys.create_ring(request.parent, request.key_ring_id))

    def _create_key(self, request: Message) -> Message:
        purpose = request.crypto_key.purpose
        if not purpose:
            raise invalid("The purpose of a CryptoKey must be set.")
        if purpose != messages.ENCRYPT_DECRYPT:
            raise not_served(_NAME, "keys of another purpose than ENCRYPT_DECRYPT")
        key = self._keys.create_key(
            request.parent,
            request.crypto_key_id,
            self._now(),
            is_bare=request.skip_initial_version_creation,
        )
        return _key_message(key)

    def _get_key(self, request: Message) -> Message:
        return _key_message(self._keys.key(request.name))

    def _set_primary(self, request: Message) -> Message:
        return _key_message(self._keys.set_primary(request.name, request.crypto_key_version_id))

    def _create_version(self, request: Message) -> Message:
        version = self._keys.create_version(request.parent, self._now())
        return _version_message(request.parent, version)

    def _get_version(self, request: Message) -> Message:
        version = self._keys.version(request.name)
        return _version_message(_key_of(request.name), version)

    def _update_version(self, request: Message) -> Message:
        if list(request.update_mask.paths) != ["state"]:
            raise not_served(_NAME, "updates of anything but the state of a version")
        wanted = request.crypto_key_version
        version = self._keys.set_state(wanted.name, wanted.state)
        return _version_message(_key_of(wanted.name), version)

    def _encrypt(self, request: Message) -> Message:
        kind = self._struck("Encrypt")
        if kind is FaultKind.LOSE_CHECKSUMS:
            request.ClearField("plaintext_crc32c")
            request.ClearField("additional_authenticated_data_crc32c")
        _check(request, "plaintext")
        _check(request, "additional_authenticated_data")
        name, ciphertext = self._keys.encrypt(
            request.name, request.plaintext, request.additional_authenticated_data
        )
        response = messages.EncryptResponse(
            name=name,
            ciphertext=_damaged(ciphertext) if kind is FaultKind.DAMAGE_ANSWER else ciphertext,
            verified_plaintext_crc32c=request.HasField("plaintext_crc32c"),
            verified_additional_authenticated_data_crc32c=request.HasField(
                "additional_authenticated_data_crc32c"
            ),
            protection_level=messages.SOFTWARE,
        )
        response.ciphertext_crc32c.value = crc32c(ciphertext)
        return response

    def _decrypt(self, request: Message) -> Message:
        kind = self._struck("Decrypt")
        _check(request, "ciphertext")
        _check(request, "additional_authenticated_data")
        plaintext, used_primary = self._keys.decrypt(
            request.name, request.ciphertext, request.additional_authenticated_data
        )
        response = messages.DecryptResponse(
            plaintext=_damaged(plaintext) if kind is FaultKind.DAMAGE_ANSWER else plaintext,
            used_primary=used_primary,
            protection_level=messages.SOFTWARE,
        )
        response.plaintext_crc32c.value = crc32c(plaintext)
        return response

    def _struck(self, method: str) -> FaultKind | None:
        fault = self._faults.take(method)
        if fault is not None and fault.kind is FaultKind.FAIL:
            raise fault.error()
        return None if fault is None else fault.kind


def _check(request: Message, field: str) -> None:
    """Refuse a part of a request that is not what its checksum says, if it has one."""
    checksum = f"{field}_crc32c"
    if request.HasField(checksum) and getattr(request, checksum).value != crc32c(
        getattr(request, field)
    ):
        raise invalid(f"The checksum in field {checksum} did not match the data in field {field}.")


def _damaged(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _key_of(version: str) -> str:
    return version.rpartition("/cryptoKeyVersions/")[0]


def _key_message(key: Key) -> KeyMessage:
    message = messages.CryptoKey(name=key.name, purpose=messages.ENCRYPT_DECRYPT)
    set_instant(message.create_time, key.created_at)
    message.version_template.protection_level = messages.SOFTWARE
    message.version_template.algorithm = messages.SYMMETRIC
    if key.primary is not None:
        primary = _version_message(key.name, key.versions[key.primary - 1])
        message.primary.CopyFrom(primary)
    return message


def _version_message(key: str, version: Version) -> VersionMessage:
    message = messages.CryptoKeyVersion(
        name=version_name(key, version.number),
        state=version.state,
        protection_level=messages.SOFTWARE,
        algorithm=messages.SYMMETRIC,
    )
    set_instant(message.create_time, version.created_at)
    set_instant(message.generate_time, version.created_at)
    return message
