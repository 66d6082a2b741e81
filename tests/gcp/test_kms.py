"""A key of Cloud KMS wraps and unwraps over gRPC, and says what to do when it cannot."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from google.api_core.retry import Retry
from google.cloud.kms_v1 import KeyManagementServiceClient

from infra.local.cloud_kms.faults import Fault, FaultKind
from infra.local.cloud_kms.running import RunningCloudKms, running_cloud_kms
from shared.errors import PermanentError, SynclineError, TransientError
from shared.gcp import kms as kms_module
from shared.gcp.kms import KmsKey, kms_client
from shared.gcp.sealing import WrappedKey, seal, unseal
from tests.contracts.kms import State, new_key, new_ring, rotate, set_state

SECRETS = {"/password": "canary-Zx81"}
WORKSPACE, CONNECTOR = 7, UUID("7b0f6c1e-3a75-4d4b-9c55-2f3c57a4c001")
DATA_KEY, CONTEXT = b"d" * 32, b"v1|7|connector"
DAMAGED = "The secrets do not open with this deployment's key of Cloud KMS: they are damaged, or"
VERIFY = "What was sent to Cloud KMS, or its answer, was damaged on the way."


@pytest.fixture(scope="module")
def cloud_kms() -> Iterator[RunningCloudKms]:
    with running_cloud_kms() as server:
        yield server


@pytest.fixture
def kms(cloud_kms: RunningCloudKms) -> Iterator[KeyManagementServiceClient]:
    with kms_client(cloud_kms.address) as client:
        yield client
    cloud_kms.clear_faults()


@pytest.fixture
def name(kms: KeyManagementServiceClient) -> str:
    return new_key(kms, new_ring(kms))


@pytest.fixture
def key(cloud_kms: RunningCloudKms, name: str) -> Iterator[KmsKey]:
    key = KmsKey(name, emulator=cloud_kms.address)
    yield key
    key.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    quick: Retry = kms_module._RETRY.with_delay(initial=0.01, maximum=0.01).with_timeout(0.3)
    monkeypatch.setattr(kms_module, "_RETRY", quick)


def refusal(error: type[SynclineError], code: str, call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(error) as refused:
        call(*arguments)
    assert refused.value.code == code
    return str(refused.value)


def test_secrets_come_back_as_they_were(key: KmsKey, name: str) -> None:
    sealed = seal(key, SECRETS, WORKSPACE, CONNECTOR)
    assert sealed.key_version == f"{name}/cryptoKeyVersions/1"
    assert unseal(key, sealed, WORKSPACE, CONNECTOR) == SECRETS


def test_a_closed_key_connects_anew(key: KmsKey) -> None:
    wrapped = key.wrap(DATA_KEY, CONTEXT)
    key.close()
    key.close()
    assert key.unwrap(wrapped, CONTEXT) == DATA_KEY


def test_a_rotation_seals_with_the_new_version_and_opens_with_the_old(
    key: KmsKey, kms: KeyManagementServiceClient, name: str
) -> None:
    before = seal(key, SECRETS, WORKSPACE, CONNECTOR)
    version = rotate(kms, name)
    assert key.newest_version() == version
    after = seal(key, SECRETS, WORKSPACE, CONNECTOR)
    assert after.key_version == version
    for sealed in (before, after):
        assert unseal(key, sealed, WORKSPACE, CONNECTOR) == SECRETS


def test_the_version_is_part_of_what_is_sealed(
    key: KmsKey, kms: KeyManagementServiceClient, name: str
) -> None:
    sealed = seal(key, SECRETS, WORKSPACE, CONNECTOR)
    other = replace(sealed, key_version=rotate(kms, name))
    said = refusal(PermanentError, "configuration", unseal, key, other, WORKSPACE, CONNECTOR)
    assert said.startswith("The stored secrets are damaged")


@pytest.mark.parametrize(("workspace", "connector"), [(8, CONNECTOR), (WORKSPACE, uuid4())])
def test_the_secrets_of_another_connector_are_not_even_unwrapped(
    key: KmsKey, workspace: int, connector: UUID
) -> None:
    sealed = seal(key, SECRETS, WORKSPACE, CONNECTOR)
    said = refusal(PermanentError, "configuration", unseal, key, sealed, workspace, connector)
    assert said.startswith(DAMAGED)


def test_a_damaged_or_cut_key_does_not_open(key: KmsKey) -> None:
    wrapped = key.wrap(DATA_KEY, CONTEXT)
    flipped = wrapped.wrapped[:-1] + bytes([wrapped.wrapped[-1] ^ 1])
    for wrong in (flipped, wrapped.wrapped[:-1], b""):
        said = refusal(
            PermanentError,
            "configuration",
            key.unwrap,
            WrappedKey(wrong, wrapped.version),
            CONTEXT,
        )
        assert said.startswith(DAMAGED)


@pytest.mark.parametrize("version", ["local-1", "", "projects/p/locations/l/keyRings/r/other/1"])
def test_what_another_key_wrapped_is_told_without_asking(version: str) -> None:
    key = KmsKey("projects/p/locations/l/keyRings/r/cryptoKeys/k", emulator="127.0.0.1:1")
    said = refusal(
        PermanentError, "configuration", key.unwrap, WrappedKey(b"wrapped", version), CONTEXT
    )
    assert said.startswith("The secrets are sealed with another key than this deployment's key")


def test_a_key_that_is_not_there_is_the_operators_trouble(
    cloud_kms: RunningCloudKms, name: str
) -> None:
    key = KmsKey(f"{name}-absent", emulator=cloud_kms.address)
    said = refusal(PermanentError, "internal", key.wrap, DATA_KEY, CONTEXT)
    assert said == (
        "This deployment's key of Cloud KMS does not exist. Its operator has to create it, or to"
        " correct SYNCLINE_KMS_KEY."
    )
    key.close()


def test_a_disabled_version_is_the_operators_trouble_until_it_is_enabled(
    key: KmsKey, kms: KeyManagementServiceClient
) -> None:
    wrapped = key.wrap(DATA_KEY, CONTEXT)
    set_state(kms, wrapped.version, State.DISABLED)
    for call, arguments in ((key.wrap, (DATA_KEY, CONTEXT)), (key.unwrap, (wrapped, CONTEXT))):
        said = refusal(PermanentError, "internal", call, *arguments)
        assert "is disabled or destroyed. Its operator has to enable" in said
    set_state(kms, wrapped.version, State.ENABLED)
    assert key.unwrap(wrapped, CONTEXT) == DATA_KEY


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "UNAUTHENTICATED"])
def test_a_missing_right_is_the_operators_trouble(
    cloud_kms: RunningCloudKms, key: KmsKey, code: str
) -> None:
    cloud_kms.set_faults(Fault(FaultKind.FAIL, code=code))
    said = refusal(PermanentError, "internal", key.wrap, DATA_KEY, CONTEXT)
    assert "grant its service account roles/cloudkms.cryptoKeyEncrypterDecrypter" in said


def test_a_key_that_cannot_encrypt_is_the_operators_trouble(
    cloud_kms: RunningCloudKms, key: KmsKey
) -> None:
    cloud_kms.set_faults(Fault(FaultKind.FAIL, code="INVALID_ARGUMENT"))
    said = refusal(PermanentError, "internal", key.wrap, DATA_KEY, CONTEXT)
    assert "Its operator has to name a symmetric one (ENCRYPT_DECRYPT) in SYNCLINE_KMS_KEY" in said


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
def test_a_service_that_is_away_for_a_moment_is_asked_again(
    cloud_kms: RunningCloudKms, key: KmsKey, code: str
) -> None:
    cloud_kms.set_faults(Fault(FaultKind.FAIL, code=code, times=2))
    assert key.unwrap(key.wrap(DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY
    assert [fault["hits"] for fault in cloud_kms.faults()] == [2]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("UNAVAILABLE", "RetryError"),
        ("DEADLINE_EXCEEDED", "RetryError"),
        ("INTERNAL", "InternalServerError"),
        ("RESOURCE_EXHAUSTED", "ResourceExhausted"),
    ],
)
def test_a_service_that_stays_away_is_our_trouble_for_a_while(
    cloud_kms: RunningCloudKms, key: KmsKey, code: str, seen: str
) -> None:
    cloud_kms.set_faults(Fault(FaultKind.FAIL, code=code))
    said = refusal(TransientError, "internal", key.wrap, DATA_KEY, CONTEXT)
    assert said == f"Cloud KMS cannot be used now ({seen})."


@pytest.mark.usefixtures("impatient")
def test_a_service_that_nobody_runs_is_our_trouble_for_a_while() -> None:
    key = KmsKey("projects/p/locations/l/keyRings/r/cryptoKeys/k", emulator="127.0.0.1:1")
    said = refusal(TransientError, "internal", key.wrap, DATA_KEY, CONTEXT)
    assert said == "Cloud KMS cannot be used now (RetryError)."
    key.close()


def test_credentials_that_cannot_be_had_are_our_trouble_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    key = KmsKey("projects/p/locations/l/keyRings/r/cryptoKeys/k")
    said = refusal(TransientError, "internal", key.wrap, DATA_KEY, CONTEXT)
    assert said == "Cloud KMS cannot be used now (DefaultCredentialsError)."


@pytest.mark.parametrize("kind", [FaultKind.LOSE_CHECKSUMS, FaultKind.DAMAGE_ANSWER])
def test_what_is_damaged_on_the_way_is_asked_for_again_and_never_stored(
    cloud_kms: RunningCloudKms, key: KmsKey, kind: FaultKind
) -> None:
    cloud_kms.set_faults(Fault(kind, method="Encrypt", times=2))
    wrapped = key.wrap(DATA_KEY, CONTEXT)
    assert key.unwrap(wrapped, CONTEXT) == DATA_KEY
    cloud_kms.set_faults(Fault(kind, method="Encrypt"))
    assert refusal(TransientError, "internal", key.wrap, DATA_KEY, CONTEXT) == VERIFY
    assert [fault["hits"] for fault in cloud_kms.faults()] == [3]


def test_a_data_key_that_is_damaged_on_the_way_is_not_used(
    cloud_kms: RunningCloudKms, key: KmsKey
) -> None:
    wrapped = key.wrap(DATA_KEY, CONTEXT)
    cloud_kms.set_faults(Fault(FaultKind.DAMAGE_ANSWER, method="Decrypt", times=1))
    assert key.unwrap(wrapped, CONTEXT) == DATA_KEY
    cloud_kms.set_faults(Fault(FaultKind.DAMAGE_ANSWER, method="Decrypt"))
    assert refusal(TransientError, "internal", key.unwrap, wrapped, CONTEXT) == VERIFY


def test_a_failure_is_logged_for_the_operator_with_the_key_and_without_the_words_of_the_service(
    cloud_kms: RunningCloudKms, key: KmsKey, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    cloud_kms.set_faults(Fault(FaultKind.FAIL, code="PERMISSION_DENIED"))
    refusal(PermanentError, "internal", key.wrap, DATA_KEY, CONTEXT)
    [record] = [one for one in caplog.records if one.name == "shared.gcp.kms"]
    assert record.syncline_fields == {
        "event": "kms_failed",
        "key": name,
        "error_class": "PermissionDenied",
    }
    assert "asked for" not in record.getMessage()
