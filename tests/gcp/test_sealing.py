"""Sealed secrets open for their own connector, with their own key, and for nothing else."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import PermanentError
from shared.gcp.local_key import LocalKey
from shared.gcp.sealing import SealedSecrets, WrappedKey, seal, unseal
from tests.gcp.keys import make_key, new_line

SECRETS = {"/password": "canary-Zx81", "/token": "\N{SNOWMAN} \N{GRINNING FACE}\n"}
WORKSPACE = 7
CONNECTOR = UUID("7b0f6c1e-3a75-4d4b-9c55-2f3c57a4c001")
OTHERS = "are damaged, or were sealed for another connector. Enter them again."
WRONG_KEY = (
    "The secrets do not open with this deployment's key local-1: they are damaged, or were sealed"
    " with another key of that name. Put that one into the key file, or enter the secrets again."
)


@pytest.fixture
def key(tmp_path: Path) -> LocalKey:
    return make_key(tmp_path / "master.key")


@pytest.fixture
def sealed(key: LocalKey) -> SealedSecrets:
    return seal(key, SECRETS, WORKSPACE, CONNECTOR)


def refusal(
    key: LocalKey,
    sealed: SealedSecrets,
    workspace: int = WORKSPACE,
    connector: UUID = CONNECTOR,
) -> str:
    """Return why secrets do not open: for good, and by the reason that a run shows."""
    with pytest.raises(PermanentError) as refused:
        unseal(key, sealed, workspace, connector)
    assert refused.value.code == "configuration"
    return str(refused.value)


@pytest.mark.parametrize("secrets", [SECRETS, {}, {"/key": "x" * 100_000}])
def test_secrets_come_back_as_they_were(key: LocalKey, secrets: dict[str, str]) -> None:
    sealed = seal(key, secrets, WORKSPACE, CONNECTOR)
    assert unseal(key, sealed, WORKSPACE, CONNECTOR) == secrets


def test_a_key_file_opens_what_it_sealed_after_a_restart(
    sealed: SealedSecrets, tmp_path: Path
) -> None:
    again = LocalKey(str(tmp_path / "master.key"))
    assert unseal(again, sealed, WORKSPACE, CONNECTOR) == SECRETS


def test_no_two_seals_are_alike(key: LocalKey, sealed: SealedSecrets) -> None:
    other = seal(key, SECRETS, WORKSPACE, CONNECTOR)
    assert other.ciphertext != sealed.ciphertext
    assert other.nonce != sealed.nonce
    assert other.wrapped_key != sealed.wrapped_key


def test_another_connectors_secrets_do_not_open(key: LocalKey, sealed: SealedSecrets) -> None:
    assert refusal(key, sealed, connector=uuid4()).endswith(OTHERS)


def test_secrets_copied_into_another_workspace_do_not_open(
    key: LocalKey, sealed: SealedSecrets
) -> None:
    assert refusal(key, sealed, workspace=WORKSPACE + 1).endswith(OTHERS)


@pytest.mark.parametrize("part", ["ciphertext", "nonce", "wrapped_key"])
def test_a_part_of_another_row_does_not_fit(
    key: LocalKey, sealed: SealedSecrets, part: str
) -> None:
    other = seal(key, SECRETS, WORKSPACE, uuid4())
    mixed = replace(sealed, **{part: getattr(other, part)})
    assert refusal(key, mixed).endswith(OTHERS)


def test_another_key_of_the_same_version_does_not_open_them(
    sealed: SealedSecrets, tmp_path: Path
) -> None:
    assert refusal(make_key(tmp_path / "other.key"), sealed) == WRONG_KEY


def test_a_key_that_was_rotated_away_is_named(key: LocalKey, sealed: SealedSecrets) -> None:
    assert refusal(key, replace(sealed, key_version="local-0")) == (
        "The secrets are sealed with key local-0, which this deployment does not have."
        " Put it back into the key file, or enter the secrets again."
    )


def test_the_key_version_is_part_of_what_is_sealed(tmp_path: Path) -> None:
    """The same bytes under another name are another version."""
    line = new_line()
    sealed = seal(make_key(tmp_path / "one.key", f"a:{line}"), SECRETS, WORKSPACE, CONNECTOR)
    renamed = make_key(tmp_path / "two.key", f"b:{line}")
    assert refusal(renamed, replace(sealed, key_version="b")).endswith(OTHERS)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [("ciphertext", OTHERS), ("nonce", OTHERS), ("wrapped_key", WRONG_KEY)],
)
def test_a_flipped_bit_anywhere_is_noticed(
    key: LocalKey, sealed: SealedSecrets, part: str, sentence: str
) -> None:
    for place in range(len(getattr(sealed, part))):
        damaged = bytearray(getattr(sealed, part))
        damaged[place] ^= 1
        assert refusal(key, replace(sealed, **{part: bytes(damaged)})).endswith(sentence)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [("ciphertext", OTHERS), ("nonce", OTHERS), ("wrapped_key", WRONG_KEY)],
)
def test_a_part_that_was_cut_short_is_noticed(
    key: LocalKey, sealed: SealedSecrets, part: str, sentence: str
) -> None:
    whole = getattr(sealed, part)
    for length in range(len(whole)):
        assert refusal(key, replace(sealed, **{part: whole[:length]})).endswith(sentence)


@pytest.mark.parametrize("size", [16, 24, 40])
def test_a_data_key_of_another_size_opens_nothing(
    key: LocalKey, sealed: SealedSecrets, size: int
) -> None:
    wrapped = key.wrap(bytes(size), b"").wrapped
    assert refusal(key, replace(sealed, wrapped_key=wrapped)).endswith(OTHERS)


@pytest.mark.parametrize(
    "text",
    ["", "canary-Zx81", "[]", "null", '"canary"', '{"/a": 1}', '{"/a": {"/b": "c"}}', "[" * 99_999],
)
def test_what_opens_and_is_no_set_of_secrets_is_refused(
    key: LocalKey, sealed: SealedSecrets, text: str
) -> None:
    data_key = key.unwrap(WrappedKey(sealed.wrapped_key, sealed.key_version), b"")
    associated = f"v1|{WORKSPACE}|{CONNECTOR}|{sealed.key_version}".encode()
    ciphertext = AESGCM(data_key).encrypt(sealed.nonce, text.encode(), associated)
    assert refusal(key, replace(sealed, ciphertext=ciphertext)) == (
        "The stored secrets open, and hold something else than secrets. Enter them again."
    )


def test_a_seal_opens_with_an_older_key_of_the_file(tmp_path: Path) -> None:
    old, new = new_line("2026-01"), new_line("2026-02")
    path = tmp_path / "master.key"
    sealed = seal(make_key(path, old), SECRETS, WORKSPACE, CONNECTOR)
    both = make_key(path, new, old)
    assert unseal(both, sealed, WORKSPACE, CONNECTOR) == SECRETS
    assert seal(both, SECRETS, WORKSPACE, CONNECTOR).key_version == "2026-02"
    assert refusal(make_key(path, new), sealed).startswith(
        "The secrets are sealed with key 2026-01,"
    )


def test_nothing_that_is_printed_shows_a_secret(
    key: LocalKey, sealed: SealedSecrets, tmp_path: Path
) -> None:
    key_text = (tmp_path / "master.key").read_text().strip()
    with pytest.raises(PermanentError) as refused:
        unseal(key, sealed, WORKSPACE, uuid4())
    data_key = key.unwrap(WrappedKey(sealed.wrapped_key, sealed.key_version), b"")
    printed = f"{key!r} {key} {sealed!r} {refused.value!r} {refused.value.__cause__!r}"
    raw = repr(next(iter(key._keys.values())))
    for secret in ("canary-Zx81", key_text, raw, repr(data_key), data_key.hex()):
        assert secret not in printed


def test_what_is_stored_holds_no_secret(sealed: SealedSecrets) -> None:
    stored = sealed.ciphertext + sealed.nonce + sealed.wrapped_key
    for secret in SECRETS.values():
        assert secret.encode() not in stored
