"""The protobuf messages of the API."""

from datetime import UTC, datetime
from typing import Any, TypeAlias

from google.cloud import kms_v1

from infra.local.emulator.messages import Message

# protobuf builds these classes at run time, so there is no type that a checker could know.
KeyMessage: TypeAlias = Any
VersionMessage: TypeAlias = Any

KeyRing = kms_v1.KeyRing.pb()
CryptoKey = kms_v1.CryptoKey.pb()
CryptoKeyVersion = kms_v1.CryptoKeyVersion.pb()
CreateKeyRingRequest = kms_v1.CreateKeyRingRequest.pb()
CreateCryptoKeyRequest = kms_v1.CreateCryptoKeyRequest.pb()
GetCryptoKeyRequest = kms_v1.GetCryptoKeyRequest.pb()
UpdatePrimaryRequest = kms_v1.UpdateCryptoKeyPrimaryVersionRequest.pb()
CreateVersionRequest = kms_v1.CreateCryptoKeyVersionRequest.pb()
GetVersionRequest = kms_v1.GetCryptoKeyVersionRequest.pb()
UpdateVersionRequest = kms_v1.UpdateCryptoKeyVersionRequest.pb()
EncryptRequest = kms_v1.EncryptRequest.pb()
EncryptResponse = kms_v1.EncryptResponse.pb()
DecryptRequest = kms_v1.DecryptRequest.pb()
DecryptResponse = kms_v1.DecryptResponse.pb()

ENCRYPT_DECRYPT = int(kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT)
ENABLED = int(kms_v1.CryptoKeyVersion.CryptoKeyVersionState.ENABLED)
DISABLED = int(kms_v1.CryptoKeyVersion.CryptoKeyVersionState.DISABLED)
SOFTWARE = int(kms_v1.ProtectionLevel.SOFTWARE)
SYMMETRIC = int(kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm.GOOGLE_SYMMETRIC_ENCRYPTION)


def state_name(state: int) -> str:
    """Return what the state of a version is called."""
    return kms_v1.CryptoKeyVersion.CryptoKeyVersionState(state).name


def set_instant(timestamp: Message, instant: datetime) -> None:
    """Set a Timestamp to an aware instant."""
    timestamp.FromDatetime(instant.astimezone(UTC).replace(tzinfo=None))
