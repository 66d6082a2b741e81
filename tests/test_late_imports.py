"""Modules that import each other are imported late by several threads at once."""

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import sys, threading
from importlib import import_module
from shared.late_imports import load

failed = []

def get(name):
    try:
        {get}(name)
    except BaseException as error:
        failed.append(type(error).__name__)

threads = [threading.Thread(target=get, args=(name,)) for name in ("folder.inner", "other")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two modules that wait a while, and then import each other."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__init__.py").write_text("import time; time.sleep(0.2); import other")
    (tmp_path / "folder" / "inner.py").write_text("")
    (tmp_path / "other.py").write_text("import time; time.sleep(0.6); import folder.inner")
    return tmp_path


def _failed(folder: Path, get: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(get=get)],
        cwd=Path(__file__).resolve().parents[1],
        env={"PYTHONPATH": f"{folder}:."},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return run.stdout.strip()


def test_threads_import_one_after_the_other(folder: Path) -> None:
    assert _failed(folder, "load") == "[]"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a newer Python may know a way out")
def test_without_the_lock_one_of_them_would_fail(folder: Path) -> None:
    assert _failed(folder, "import_module") == "['_DeadlockError']"
