"""The rules of `infra.local.package`."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local.package import FUNCTIONS, build


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "functions/worker/main.py": "import shared\n",
        "functions/api/main.py": "import shared.web\n",
        "requirements.txt": "requests==2\n",
        "shared/__init__.py": "",
        "shared/store/migrations/versions/0001_first.py": "revision = '0001'\n",
        "shared/store/sql/lease.sql": "SELECT 1",
        "shared/__pycache__/x.cpython-311.pyc": "bytes",
        "shared/.DS_Store": "litter",
        "tests/test_x.py": "assert True",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_bundle_holds_its_main_at_the_root_beside_shared_and_requirements(
    project: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(build("worker", tmp_path / "build", project)) as bundle:
        assert bundle.namelist() == [
            "main.py",
            "requirements.txt",
            "shared/__init__.py",
            "shared/store/migrations/versions/0001_first.py",
            "shared/store/sql/lease.sql",
        ]
        assert bundle.read("main.py") == b"import shared\n"


def test_the_bytes_depend_on_the_contents_alone(project: Path, tmp_path: Path) -> None:
    first = build("worker", tmp_path / "build", project).read_bytes()
    for path in project.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
        path.chmod(0o700)

    assert build("worker", tmp_path / "again", project).read_bytes() == first


def test_a_change_of_one_file_changes_the_bytes(project: Path, tmp_path: Path) -> None:
    first = build("worker", tmp_path / "build", project).read_bytes()
    (project / "shared" / "__init__.py").write_text('"""More."""\n')

    assert build("worker", tmp_path / "build", project).read_bytes() != first


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_of_the_project_can_be_built(function: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(function, tmp_path)) as bundle:
        assert "shared/store/migrations/env.py" in bundle.namelist()
        assert bundle.testzip() is None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_unpacked_bundle_can_be_served_from_its_own_folder(
    function: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(build(function, tmp_path)) as bundle:
        bundle.extractall(tmp_path / "served")
    program = f"from functions_framework import create_app; create_app({function!r}, 'main.py')"
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}

    done = subprocess.run(
        # Isolated from this checkout, as in the cloud: only the bundle's own folder is known.
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path / "served",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
