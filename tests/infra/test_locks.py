"""The rules of `infra.local.locks`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.locks import take_lock
from shared.errors import ConfigurationError

_HOLDER = """
import sys, time
from pathlib import Path
from infra.local.locks import take_lock
lock = take_lock(Path(sys.argv[1]), "")
print("held", flush=True)
time.sleep(60)
"""


def test_a_held_lock_is_refused_in_the_given_words_with_its_owner(tmp_path: Path) -> None:
    with (
        take_lock(tmp_path / "deep" / "x.lock", ""),
        pytest.raises(ConfigurationError, match=f"busy with {os.getpid()}"),
    ):
        take_lock(tmp_path / "deep" / "x.lock", "busy with {owner}")


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    take_lock(tmp_path / "x.lock", "").close()
    take_lock(tmp_path / "x.lock", "").close()


def test_a_lock_ends_with_its_owner_even_when_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(ConfigurationError, match=str(holder.pid)):
            take_lock(path, "{owner}")
        holder.kill()

    take_lock(path, "").close()
