"""The house rules that no linter knows: sizes, first lines, folders, and what is imported when."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = sorted(path.name for path in (ROOT / "functions").glob("[!_]*") if path.is_dir())
MAX_LINES = 400
MAX_EDGE_LINES = 40

NOT_IMPORTED = {
    "api": ("cron_descriptor", "dlt", "google.cloud.bigquery", "grpc", "joserfc"),
    "dispatcher": ("cron_descriptor", "dlt", "pydantic", "shared.connectors", "shared.web"),
    "oauth_callback": ("cron_descriptor", "dlt", "grpc", "requests", "shared.web.app"),
    "worker": ("cron_descriptor", "dlt", "google.cloud.bigquery", "shared.web"),
}
"""What a cold start of each function must not pay for; a package stands for its modules too."""

LOAD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("main", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["main"] = module
spec.loader.exec_module(module)
print(*sys.modules, sep="\\n")
"""


def files(suffix: str, *folders: str) -> list[str]:
    """Return the paths of the project's own files, as a person would write them."""
    found = [path for folder in folders for path in (ROOT / folder).rglob(f"*{suffix}")]
    own = (path.relative_to(ROOT) for path in found if "__pycache__" not in path.parts)
    return sorted(path.as_posix() for path in own)


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def module_docstring(path: str) -> str:
    return ast.get_docstring(ast.parse(text_of(path))) or ""


def test_a_module_starts_with_one_line_that_says_what_it_is_for() -> None:
    without = [
        path
        for path in files(".py", "shared", "functions", "infra")
        if not re.match(r".*\S.*[.?!:](\n\n|\Z)", module_docstring(path))
    ]
    assert without == []


def test_what_a_test_file_says_of_itself_begins_with_one_line() -> None:
    wrong = [
        path
        for path in files(".py", "tests")
        if module_docstring(path) and not re.match(r".*\S(\n\n|\Z)", module_docstring(path))
    ]
    assert wrong == []


def test_no_file_holds_more_than_four_hundred_lines() -> None:
    lengths = {
        path: len(text_of(path).splitlines())
        for suffix in (".py", ".sql")
        for path in files(suffix, "shared", "functions", "infra", "tests")
    }
    assert lengths
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_there_are_four_functions() -> None:
    assert sorted(NOT_IMPORTED) == FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_folder_holds_a_short_main_and_nothing_else(function: str) -> None:
    folder = ROOT / "functions" / function
    assert [path.name for path in folder.iterdir() if path.name != "__pycache__"] == ["main.py"]
    assert len(text_of(f"functions/{function}/main.py").splitlines()) <= MAX_EDGE_LINES


def test_a_query_begins_with_the_sentence_that_says_what_it_does() -> None:
    queries = files(".sql", "shared")
    assert queries
    assert [path for path in queries if not re.match(r"-- [A-Z]\S* \S", text_of(path))] == []


def test_a_query_casts_in_words() -> None:
    """With `::` a named parameter before it would be taken for something else."""
    assert [path for path in files(".sql", "shared") if "::" in text_of(path)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_cold_start_imports_only_what_the_function_needs(function: str) -> None:
    main = ROOT / "functions" / function / "main.py"
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, main],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout.splitlines()
    assert "functions_framework" in loaded
    needless = [
        module
        for module in loaded
        for package in NOT_IMPORTED[function]
        if module == package or module.startswith(f"{package}.")
    ]
    assert needless == []
