"""`python -m infra.operate.workspace`: make, disable, enable or delete a workspace."""

import argparse
import sys

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from infra.operate.operator import who
from shared.config import read_database_url, read_dataset_url
from shared.domain.access import Role
from shared.errors import SynclineError
from shared.flow.manage import create_api_key, create_workspace
from shared.flow.workspaces import delete_workspace, disable_workspace, enable_workspace
from shared.logs import configure_logging
from shared.store.engine import create_engine_for, read_only
from shared.store.workspaces import find_workspace_id

_FAILED = 1
_KEY_NAMES = {"create": "First admin", "key": "Admin made by an operator"}
_LONGEST_NAME = 200
_ACTS = {
    "create": "make it, and print the key of its first admin, which nobody can read again",
    "key": "print another admin's key, for a workspace that nobody can administer any more",
    "disable": "cancel what it has under way, refuse its callers, run nothing until it is enabled",
    "enable": "plan its schedules again, from now on",
    "delete": "as disable, and for good: without its secrets and the login to its datasets",
}


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked to a workspace and say what became of it; return 0.

    A workspace that is not there is refused with exit code 2, trouble with the act gives 1: it may
    be done in part then, and doing it again completes it; one that was made without a key gets it
    by `key`.
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
        sys.stdout.write(f"{_act(engine, parser, asked)}\n")
    except SynclineError as error:
        return _fail(str(error))
    except (SQLAlchemyError, OSError) as error:
        # A driver's own text quotes the URL.
        rest = " If it is there by now, DO=key prints a key of it." if asked.act == "create" else ""
        return _fail(f"The database did not do it ({type(error).__name__}).{rest}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workspace", description="Make, disable, enable or delete a workspace."
    )
    acts = parser.add_subparsers(dest="act", required=True)
    for name, what in _ACTS.items():
        act = acts.add_parser(name, help=what, description=what)
        act.add_argument("slug")
        if name == "create":
            act.add_argument("--name", type=_name, help="what people call it (the slug)")
            act.add_argument(
                "--timezone", default="Europe/Oslo", help="of its schedules (%(default)s)"
            )
    return parser


def _name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"a name has 1 to {_LONGEST_NAME} characters")
    return name


def _act(engine: Engine, parser: argparse.ArgumentParser, asked: argparse.Namespace) -> str:
    slug: str = asked.slug
    if asked.act == "create":
        name = asked.name or slug
        made = create_workspace(engine, slug=slug, name=name, timezone=asked.timezone, by=who())
        return f"{slug} is made.\n{_key(engine, made, asked.act)}"
    with read_only(engine) as connection:
        workspace_id = find_workspace_id(connection, slug)
    if workspace_id is None:
        parser.error(f"argument slug: there is no workspace {slug!r}")
    match asked.act:
        case "key":
            return _key(engine, workspace_id, asked.act)
        case "disable":
            ended = disable_workspace(engine, workspace_id, by=who())
            return f"{slug} is disabled. {_cancelled(ended)}"
        case "enable":
            enable_workspace(engine, workspace_id, by=who())
            return f"{slug} is enabled. The next tick plans what is due."
        case _:
            ended = delete_workspace(engine, workspace_id, read_dataset_url(), by=who())
            return f"{slug} is deleted. {_cancelled(ended)}"


def _key(engine: Engine, workspace_id: int, act: str) -> str:
    name = _KEY_NAMES[act]
    key = create_api_key(engine, workspace_id, name=name, role=Role.ADMIN, by=who())
    return f"The key of an admin, shown this once: {key}"


def _cancelled(runs: int) -> str:
    return "1 run was cancelled." if runs == 1 else f"{runs} runs were cancelled."


def _fail(sentence: str) -> int:
    sys.stderr.write(f"workspace: {sentence}\n")
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
