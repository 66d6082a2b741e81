"""Sealed secrets open for their own connector, with their own key, and for nothing else."""

import base64
import os
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.errors import ConfigurationError, PermanentError
from shared.gcp.sealing import LocalKey, SealedSecrets, seal, unseal

SECRETS = {"password": "canary-Zx81", "token": "\N{SNOWMAN} \N{GRINNING FACE}\n"}
WORKSPACE = 7
CONNECTOR = UUID("7b0f6c1e-3a75-4d4b-9c55-2f3c57a4c001")
ENTER_AGAIN = "do not open with this deployment's key. Enter them again."


def make_key(folder: Path, name: str = "master.key") -> LocalKey:
    path = folder / name
    path.write_text(f"{base64.b64encode(os.urandom(32)).decode()}\n")
    return LocalKey(str(path))


@pytest.fixture
def key(tmp_path: Path) -> LocalKey:
    return make_key(tmp_path)


@pytest.fixture
def sealed(key: LocalKey) -> SealedSecrets:
    return seal(key, SECRETS, WORKSPACE, CONNECTOR)


@pytest.mark.parametrize("secrets", [SECRETS, {}, {"key": "x" * 100_000}])
def test_secrets_come_back_as_they_were(key: LocalKey, secrets: dict[str, str]) -> None:
    sealed = seal(key, secrets, WORKSPACE, CONNECTOR)
    assert unseal(key, sealed, WORKSPACE, CONNECTOR) == secrets


def test_a_key_file_opens_what_it_sealed_after_a_restart(
    key: LocalKey, sealed: SealedSecrets, tmp_path: Path
) -> None:
    again = LocalKey(str(tmp_path / "master.key"))
    assert unseal(again, sealed, WORKSPACE, CONNECTOR) == SECRETS


def test_no_two_seals_are_alike(key: LocalKey, sealed: SealedSecrets) -> None:
    other = seal(key, SECRETS, WORKSPACE, CONNECTOR)
    assert other.ciphertext != sealed.ciphertext
    assert other.nonce != sealed.nonce
    assert other.wrapped_key != sealed.wrapped_key


def test_another_connectors_secrets_do_not_open(key: LocalKey, sealed: SealedSecrets) -> None:
    with pytest.raises(PermanentError, match=ENTER_AGAIN):
        unseal(key, sealed, WORKSPACE, uuid4())


def test_secrets_copied_into_another_workspace_do_not_open(
    key: LocalKey, sealed: SealedSecrets
) -> None:
    with pytest.raises(PermanentError, match=ENTER_AGAIN):
        unseal(key, sealed, WORKSPACE + 1, CONNECTOR)


def test_another_key_does_not_open_them(sealed: SealedSecrets, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=ENTER_AGAIN):
        unseal(make_key(tmp_path, "other.key"), sealed, WORKSPACE, CONNECTOR)


def test_another_key_version_is_named(key: LocalKey, sealed: SealedSecrets) -> None:
    old = replace(sealed, key_version="local-0")
    with pytest.raises(
        PermanentError,
        match=r"sealed with key local-0, this deployment has local-1\. Enter them again\.",
    ) as refused:
        unseal(key, old, WORKSPACE, CONNECTOR)
    assert refused.value.code == "configuration"


def test_the_key_version_is_part_of_what_is_sealed(
    key: LocalKey, sealed: SealedSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalKey, "version", "local-2")
    with pytest.raises(PermanentError, match=ENTER_AGAIN):
        unseal(key, replace(sealed, key_version="local-2"), WORKSPACE, CONNECTOR)


@pytest.mark.parametrize("part", ["ciphertext", "nonce", "wrapped_key"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_flipped_bit_anywhere_is_noticed(
    key: LocalKey, sealed: SealedSecrets, part: str, place: int
) -> None:
    damaged = bytearray(getattr(sealed, part))
    damaged[place] ^= 1
    with pytest.raises(PermanentError, match=ENTER_AGAIN) as refused:
        unseal(key, replace(sealed, **{part: bytes(damaged)}), WORKSPACE, CONNECTOR)
    assert refused.value.code == "configuration"


@pytest.mark.parametrize("part", ["ciphertext", "nonce", "wrapped_key"])
@pytest.mark.parametrize("length", [0, 1, 8])
def test_a_part_that_was_cut_short_is_noticed(
    key: LocalKey, sealed: SealedSecrets, part: str, length: int
) -> None:
    cut = replace(sealed, **{part: getattr(sealed, part)[:length]})
    with pytest.raises(PermanentError, match=ENTER_AGAIN):
        unseal(key, cut, WORKSPACE, CONNECTOR)


def test_a_missing_key_file_is_a_mistake_of_the_deployment(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.key"
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_KEY_FILE: .*nowhere\.key cannot be"):
        LocalKey(str(path))
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_KEY_FILE: .*IsADirectoryError"):
        LocalKey(str(tmp_path))


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_of_the_wrong_length_is_a_mistake_of_the_deployment(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "short.key"
    path.write_bytes(base64.b64encode(os.urandom(length)))
    expected = rf"SYNCLINE_KEY_FILE: .*short\.key holds {length} bytes, not 32"
    with pytest.raises(ConfigurationError, match=expected):
        LocalKey(str(path))


@pytest.mark.parametrize("content", [b"canary-Zx81 is not base64!", b"canary-Zx81\xff", b"abc"])
def test_a_key_that_is_not_base64_is_a_mistake_of_the_deployment_and_not_shown(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "text.key"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_KEY_FILE: .*as base64") as refused:
        LocalKey(str(path))
    assert "canary" not in str(refused.value)


def test_nothing_that_is_printed_shows_a_secret(
    key: LocalKey, sealed: SealedSecrets, tmp_path: Path
) -> None:
    key_text = (tmp_path / "master.key").read_text().strip()
    with pytest.raises(PermanentError) as refused:
        unseal(key, sealed, WORKSPACE, uuid4())
    data_key = key.unwrap(sealed.wrapped_key)
    printed = f"{key!r} {key} {sealed!r} {refused.value!r} {refused.value.__cause__!r}"
    for secret in ("canary-Zx81", key_text, repr(key._key), repr(data_key), data_key.hex()):
        assert secret not in printed
