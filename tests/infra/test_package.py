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


def test_crash_points_are_taken_out_and_every_line_keeps_its_number(
    project: Path, tmp_path: Path
) -> None:
    armed = (
        "from shared.crash_points import CrashPoint, reach\n\n\n"
        "def f(x):\n    if x:\n        reach(CrashPoint.LEASED)\n    return x\n"
    )
    (project / "shared/flow.py").write_text(armed)
    (project / "shared/crash_points.py").write_text("def reach(point): ...\n")
    with zipfile.ZipFile(build("worker", tmp_path / "build", project)) as bundle:
        bare = bundle.read("shared/flow.py").decode()
        assert "shared/crash_points.py" not in bundle.namelist()
    assert bare == "\n\n\ndef f(x):\n    if x:\n        pass\n    return x\n"


IMPORT = "from shared.crash_points import CrashPoint, reach\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1; reach(CrashPoint.LEASED)\n", 1),
        (f"{IMPORT}\nreach(CrashPoint.LEASED); x = 1\n", 3),
        (f"{IMPORT}\nreach(\n    CrashPoint.LEASED\n)\n", 3),
        (f"{IMPORT}\nreach(point)\n", 3),
        (f"{IMPORT}\nhook = reach\n", 3),
        ("import shared.crash_points\n", 1),
        ("import shared.crash_points as cp\ncp.reach(1)\n", 1),
        ("x = 1\nfrom shared import crash_points\n", 2),
        ("from shared import crash_points as cp\n", 1),
        ("from . import crash_points\n", 1),
        ("from .crash_points import arm\n", 1),
        ("from shared.crash_points import reach, arm\narm(None)\n", 1),
        ("from shared.crash_points import (\n    CrashPoint,\n    reach,\n)\n", 1),
        ("from shared.crash_points import CrashPoint, reach  # why\n", 1),
        ("from shared.other import reach\n", 1),
        ("x = 1\nshared.other.reach(x)\n", 2),
        ("import importlib\nimportlib.import_module('shared.crash_points')\n", 2),
    ],
)
def test_a_crash_point_that_cannot_be_taken_out_is_refused_with_its_line(
    project: Path, tmp_path: Path, text: str, line: int
) -> None:
    (project / "shared/flow.py").write_text(text)
    with pytest.raises(ValueError, match=rf"shared/flow\.py:{line}: .* a line of its own"):
        build("worker", tmp_path / "build", project)
    assert not (tmp_path / "build" / "worker.zip").exists()


def test_a_crash_point_in_the_main_of_a_function_is_refused_too(
    project: Path, tmp_path: Path
) -> None:
    (project / "functions/worker/main.py").write_text("from shared import crash_points\n")
    with pytest.raises(ValueError, match=r"main\.py:1: "):
        build("worker", tmp_path / "build", project)


def test_a_word_that_a_crash_point_uses_too_is_no_crash_point(
    project: Path, tmp_path: Path
) -> None:
    text = '"""Reach it (if you can)."""\n\nreach = 1  # how far we reach\nx = reach + 1\n'
    (project / "shared/flow.py").write_text(text)
    with zipfile.ZipFile(build("worker", tmp_path / "build", project)) as bundle:
        assert bundle.read("shared/flow.py").decode() == text


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_bundle_of_the_product_knows_a_crash_point(function: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(function, tmp_path)) as bundle:
        sources = [name for name in bundle.namelist() if name.endswith(".py")]
        for name in sources:
            text = bundle.read(name).decode()
            compile(text, name, "exec")
            assert "crash_point" not in text.lower(), name
            assert "CrashPoint" not in text, name
