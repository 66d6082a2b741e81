"""The rules of `infra/local/setup.sh`: one clear sentence for each way it can fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "infra" / "local" / "setup.sh"
_NOWHERE = "http://127.0.0.1:1/simple"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "infra" / "local").mkdir(parents=True)
    shutil.copy(_SCRIPT, tmp_path / "infra" / "local" / "setup.sh")
    (tmp_path / "requirements-dev.txt").write_text("uv==0.0.0\n")
    return tmp_path


def _setup(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    unreachable = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": _NOWHERE,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["sh", str(project / "infra" / "local" / "setup.sh")],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **unreachable, **environment},
    )


def _fake_python(project: Path, script: str) -> str:
    folder = project / "fake"
    folder.mkdir()
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(11, 15))):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def _finished(project: Path) -> None:
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to(sys.executable)
    requirements = (project / "requirements-dev.txt").read_text()
    (project / ".venv" / ".syncline-ready").write_text(f"{project}\n{requirements}")


def test_it_does_nothing_when_all_is_there(project: Path) -> None:
    _finished(project)

    done = _setup(project)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_package_that_was_deleted_is_noticed(project: Path) -> None:
    _finished(project)
    package = project / ".venv" / "lib" / "python3.11" / "site-packages" / "more"
    package.mkdir(parents=True)
    stamp = project / ".venv" / ".syncline-ready"
    stamp.write_text(f"{stamp.read_text()}.venv/lib/python3.11/site-packages/more\n")
    assert _setup(project).stdout == ""
    package.rmdir()

    assert "not usable; making it anew" in _setup(project, PYTHON=sys.executable).stdout


def test_changed_requirements_are_installed(project: Path) -> None:
    _finished(project)
    (project / "requirements-dev.txt").write_text("uv==0.0.0\nmore==1\n")

    assert "installing 2 packages" in _setup(project, PYTHON=sys.executable).stdout


def test_too_old_a_python_is_named(project: Path) -> None:
    path = _fake_python(project, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')

    done = _setup(project, PATH=path)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer and found Python 3.9.2" in done.stderr


def test_a_chosen_python_that_is_too_old_is_named(project: Path) -> None:
    done = _setup(project, PYTHON="/bin/false")

    assert done.returncode == 1
    assert done.stderr == "setup: PYTHON=/bin/false is not a Python 3.11 or newer.\n"


def test_a_python_without_venv_is_told_apart(project: Path) -> None:
    path = _fake_python(
        project,
        'case "$2" in venv) echo "The virtual environment was not created successfully because'
        ' ensurepip is not available."; exit 1;; esac',
    )

    done = _setup(project, PATH=path)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install python3-venv" in done.stderr


def test_a_missing_network_is_told_apart(project: Path) -> None:
    done = _setup(project, PYTHON=sys.executable)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the package index cannot be reached" in done.stderr
    assert not (project / ".venv" / ".syncline-ready").exists()
    assert "uv==0.0.0" in (project / ".local" / "setup.log").read_text()


def test_a_missing_compiler_is_told_apart(project: Path) -> None:
    script = "echo \"error: command 'gcc' failed: No such file or directory\"; exit 1"
    path = _fake_python(project, f'case "$2" in venv) {script};; esac')

    done = _setup(project, PATH=path)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs a compiler" in done.stderr


@pytest.mark.parametrize("left", ["bin", "bin/python"])
def test_a_half_made_environment_is_made_anew(project: Path, left: str) -> None:
    (project / ".venv" / left).mkdir(parents=True)

    done = _setup(project, PYTHON=sys.executable)

    assert ".venv is not usable; making it anew." in done.stdout
    assert (project / ".venv" / "bin" / "pip").exists()


def test_a_moved_environment_is_made_anew(project: Path) -> None:
    _finished(project)
    (project / ".venv" / ".syncline-ready").write_text("/elsewhere\nuv==0.0.0\n")

    assert "making it anew" in _setup(project, PYTHON=sys.executable).stdout
