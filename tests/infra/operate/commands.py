"""Commands of operators, as processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def ask_command(
    name: str, *arguments: str, database_url: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of `infra.operate` with the settings that are given, and no other one.

    With `database_url`, the datasets are in that database as well.
    """
    if database_url is not None:
        variables["SYNCLINE_DATABASE_URL"] = database_url
        variables["SYNCLINE_DATASET_URL"] = database_url.replace("+pg8000", "")
    return run_command(sys.executable, "-m", f"infra.operate.{name}", *arguments, **variables)


def run_command(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run any command as one of the checkout, with no setting but those that are given."""
    ours = ("SYNCLINE_", "WORKSPACE", "CONTAINS", "FILE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**env, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
