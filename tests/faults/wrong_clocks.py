"""Processes whose clock is wrong, by libfaketime of Debian's package `faketime`."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

INSTALL_HINT = "libfaketime is not installed: apt-get install -y --no-install-recommends faketime"


@pytest.fixture(scope="session")
def libfaketime() -> Path:
    """Return the library for programs with threads; skip, or fail if it is required, without it."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        if os.environ.get("SYNCLINE_REQUIRE_FAKETIME") == "1":
            pytest.fail(INSTALL_HINT)
        pytest.skip(INSTALL_HINT)
    return found[0]


class WrongClock:
    """The clock of the processes that are started `worn`; it can be set while they run."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file

    def set(self, offset: str) -> None:
        """Let it be wrong by an offset such as `+2h` or `-2h`; `+0` is right."""
        # Renamed into place: nobody reads half of it.
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{offset}\n")
        draft.rename(self._file)

    @contextmanager
    def worn(self) -> Generator[None, None, None]:
        """Give this clock to every process that is started within the block."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(self._library))
            patch.setenv("FAKETIME_TIMESTAMP_FILE", str(self._file))
            patch.setenv("FAKETIME_NO_CACHE", "1")
            # The clock that measures durations is not set by anybody, in reality either.
            patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            yield


@pytest.fixture
def wrong_clock(libfaketime: Path, tmp_path: Path) -> WrongClock:
    """Return a clock that is right until it is set."""
    clock = WrongClock(libfaketime, tmp_path / "clock")
    clock.set("+0")
    return clock
