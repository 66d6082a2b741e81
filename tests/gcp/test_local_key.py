"""A key file: one key a line, newest first; a mistake in it is told by its line and not shown."""

import base64
import os
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, PermanentError
from shared.gcp.local_key import LocalKey
from shared.gcp.sealing import WrappedKey
from tests.gcp.keys import make_key, new_line

CANARY = "canary-Zx81"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError, match=r"^SYNCLINE_KEY_FILE: ") as refused:
        LocalKey(str(path))
    text = str(refused.value).removeprefix("SYNCLINE_KEY_FILE: ")
    return text.replace(str(path), "the file")


def test_a_key_that_stands_alone_is_version_local_1(tmp_path: Path) -> None:
    assert make_key(tmp_path / "k").newest_version() == "local-1"


def test_the_first_line_is_the_newest_and_every_line_unwraps(tmp_path: Path) -> None:
    oldest, old, new = new_line(), new_line("2026-01"), new_line("2026-02")
    wrapped = [
        make_key(tmp_path / "k", line).wrap(b"d" * 32, b"context") for line in (oldest, old, new)
    ]
    key = make_key(tmp_path / "k", new, old, "", oldest)
    assert key.newest_version() == "2026-02"
    assert [each.version for each in wrapped] == ["local-1", "2026-01", "2026-02"]
    assert [key.unwrap(each, b"context") for each in wrapped] == [b"d" * 32] * 3


def test_a_version_that_is_not_in_the_file_unwraps_nothing(tmp_path: Path) -> None:
    key = make_key(tmp_path / "k", new_line("2026-02"))
    wrapped = key.wrap(b"d" * 32, b"")
    with pytest.raises(PermanentError, match="sealed with key 2026-01, which this deployment does"):
        key.unwrap(WrappedKey(wrapped.wrapped, "2026-01"), b"")


def test_a_missing_file_is_a_mistake_of_the_deployment(tmp_path: Path) -> None:
    assert refusal(tmp_path / "k") == "the file cannot be read (FileNotFoundError)."
    assert refusal(tmp_path) == "the file cannot be read (IsADirectoryError)."


@pytest.mark.parametrize("text", ["", "\n\n", "  "])
def test_a_file_without_a_key_is_a_mistake_of_the_deployment(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k"
    path.write_text(text)
    assert refusal(path) == "the file holds no key."


@pytest.mark.parametrize("length", [1, 16, 31, 33, 64])
def test_a_key_of_the_wrong_length_is_a_mistake_of_the_deployment(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "k"
    path.write_text(f"{new_line('a')}\nb:{base64.b64encode(os.urandom(length)).decode()}")
    assert refusal(path) == f"line 2 of the file holds {length} bytes, not 32."


@pytest.mark.parametrize("line", [f"{CANARY} is not base64!", "abc", f"a:{CANARY}"])
def test_a_key_that_is_not_base64_is_a_mistake_of_the_deployment_and_not_shown(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "k"
    path.write_text(f"{line}\n")
    assert refusal(path) == "line 1 of the file is not base64."


def test_a_file_that_is_no_text_is_a_mistake_of_the_deployment_and_not_shown(
    tmp_path: Path,
) -> None:
    path = tmp_path / "k"
    path.write_bytes(b"canary-Zx81\xff")
    assert refusal(path) == "the file cannot be read (UnicodeDecodeError)."


@pytest.mark.parametrize("version", ["", "A", "a b", "a:b", "ü", ".a", "x" * 64])
def test_a_version_is_a_short_plain_name(tmp_path: Path, version: str) -> None:
    path = tmp_path / "k"
    path.write_text(new_line(version), encoding="latin-1")
    assert refusal(path).startswith(("line 1 of the file names no version: use", "the file cannot"))


@pytest.mark.parametrize("versions", [("a", "a"), (None, None), ("local-1", None)])
def test_a_version_stands_once(tmp_path: Path, versions: tuple[str | None, ...]) -> None:
    path = tmp_path / "k"
    path.write_text("\n".join(map(new_line, versions)))
    assert refusal(path).startswith("line 2 of the file names version ")
