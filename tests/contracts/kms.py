"""Keys of Cloud KMS to make and to change, for whoever tests against it."""

from uuid import uuid4

from google.cloud.kms_v1 import CryptoKey, CryptoKeyVersion, KeyManagementServiceClient
from google.protobuf.field_mask_pb2 import FieldMask

LOCATION = "projects/demo/locations/europe-north1"
State = CryptoKeyVersion.CryptoKeyVersionState


def new_ring(client: KeyManagementServiceClient) -> str:
    """Create a key ring, which the real service never forgets, and return its name."""
    ring_id = f"contract-{uuid4().hex[:12]}"
    return client.create_key_ring(parent=LOCATION, key_ring_id=ring_id, key_ring={}).name


def new_key(client: KeyManagementServiceClient, ring: str) -> str:
    """Create a symmetric key and return its name."""
    key = CryptoKey(purpose=CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT)
    key_id = f"key-{uuid4().hex[:12]}"
    return client.create_crypto_key(parent=ring, crypto_key_id=key_id, crypto_key=key).name


def rotate(client: KeyManagementServiceClient, key: str) -> str:
    """Give a key a new version, let it be the primary one, and return its name."""
    version = client.create_crypto_key_version(parent=key, crypto_key_version={}).name
    number = version.rpartition("/")[2]
    client.update_crypto_key_primary_version(name=key, crypto_key_version_id=number)
    return version


def set_state(client: KeyManagementServiceClient, version: str, state: State) -> None:
    """Enable or disable a version."""
    wanted = CryptoKeyVersion(name=version, state=state)
    mask = FieldMask(paths=["state"])
    client.update_crypto_key_version(crypto_key_version=wanted, update_mask=mask)
