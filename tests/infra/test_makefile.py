"""The rules of the Makefile."""

import re
import subprocess
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def test_help_is_the_default_and_explains_every_target() -> None:
    targets = re.findall(r"^([a-z]+):", (_ROOT / "Makefile").read_text(), flags=re.MULTILINE)

    said = subprocess.run(
        ["make", "--no-print-directory"], capture_output=True, text=True, check=True, cwd=_ROOT
    ).stdout

    assert [line.split()[1] for line in said.splitlines()] == targets


def test_every_target_that_needs_the_environment_makes_it_first() -> None:
    rules = re.findall(
        r"^([a-z]+):(.*?)##.*\n((?:\t.*\n)+)", (_ROOT / "Makefile").read_text(), flags=re.MULTILINE
    )
    needing = {name for name, _, recipe in rules if ".venv/bin" in recipe or "$(PY" in recipe}
    needing |= {name for name, _, recipe in rules if "$(COMPILE)" in recipe}

    assert {name for name, needs, _ in rules if "setup" in needs} == needing - {"setup"}
