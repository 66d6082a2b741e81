"""`python -m infra.operate.workspace`: disable, enable or delete a workspace."""

import argparse
import sys

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from infra.operate.operator import who
from shared.config import read_database_url, read_dataset_url
from shared.errors import SynclineError
from shared.flow.workspaces import delete_workspace, disable_workspace, enable_workspace
from shared.logs import configure_logging
from shared.store.engine import create_engine_for, read_only
from shared.store.workspaces import find_workspace_id

_FAILED = 1
_ACTS = {
    "disable": "cancel what it has under way, refuse its callers, run nothing until it is enabled",
    "enable": "plan its schedules again, from now on",
    "delete": "as disable, and for good: without its secrets and the login to its datasets",
}


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked to a workspace and say what became of it; return 0.

    A workspace that is not there is refused with exit code 2, trouble with the act gives 1: it may
    be done in part then, and doing it again completes it.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    configure_logging("text", service="workspace", project="")
    try:
        engine = create_engine_for(
            read_database_url(),
            pool_size=1,
            application_name="syncline-workspace",
            is_operator=True,
        )
        with read_only(engine) as connection:
            workspace_id = find_workspace_id(connection, asked.slug)
        if workspace_id is None:
            parser.error(f"argument slug: there is no workspace {asked.slug!r}")
        sys.stdout.write(f"{_act(engine, asked.act, asked.slug, workspace_id)}\n")
    except SynclineError as error:
        return _fail(str(error))
    except (SQLAlchemyError, OSError) as error:
        # A driver's own text quotes the URL.
        return _fail(f"The database did not do it ({type(error).__name__}).")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workspace", description="Disable, enable or delete a workspace."
    )
    acts = parser.add_subparsers(dest="act", required=True)
    for name, what in _ACTS.items():
        acts.add_parser(name, help=what, description=what).add_argument("slug")
    return parser


def _act(engine: Engine, act: str, slug: str, workspace_id: int) -> str:
    match act:
        case "disable":
            ended = disable_workspace(engine, workspace_id, by=who())
            return f"{slug} is disabled. {_cancelled(ended)}"
        case "enable":
            enable_workspace(engine, workspace_id, by=who())
            return f"{slug} is enabled. The next tick plans what is due."
        case _:
            ended = delete_workspace(engine, workspace_id, read_dataset_url(), by=who())
            return f"{slug} is deleted. {_cancelled(ended)}"


def _cancelled(runs: int) -> str:
    return "1 run was cancelled." if runs == 1 else f"{runs} runs were cancelled."


def _fail(sentence: str) -> int:
    sys.stderr.write(f"workspace: {sentence}\n")
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
