"""`make due`: which connectors of which workspaces are due at an instant."""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.config import read_database_url
from shared.domain.due import DueConnector, minute_of
from shared.domain.instants import parse_instant
from shared.errors import InvalidInputError, SynclineError
from shared.flow.due import connectors_due_at
from shared.logs import configure_logging
from shared.store.engine import create_engine_for, read_only
from shared.store.ticks import as_of
from shared.store.workspaces import find_workspace_id

_FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each due connector and their number; return 0.

    A question that cannot be is refused with exit code 2, trouble with the answer gives 1.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    configure_logging("text", service="due", project="")
    try:
        engine = create_engine_for(
            read_database_url(),
            pool_size=1,
            application_name="syncline-due",
            is_operator=True,
        )
        minute, workspace_id = _resolve(engine, parser, asked)
        count = _print_all(connectors_due_at(engine, minute, workspace_id=workspace_id))
        what = "1 connector is" if count == 1 else f"{count} connectors are"
        _say(f"{what} due at {_text(minute)}.")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; the rest must not be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SynclineError as error:
        return _fail(str(error))
    except (SQLAlchemyError, OSError) as error:
        # A driver's own text quotes the URL.
        return _fail(f"The database cannot be read ({type(error).__name__}).")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="due", description="Print which connectors are due in the minute of an instant."
    )
    parser.add_argument(
        "--at", type=_instant, help="an instant such as 2026-12-01T02:00Z; the default is now"
    )
    parser.add_argument("--workspace", metavar="SLUG", help="one workspace only")
    return parser


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except InvalidInputError as error:
        [problem] = error.problems
        raise argparse.ArgumentTypeError(f"{problem.reason}. {problem.hint}") from None


def _resolve(
    engine: Engine, parser: argparse.ArgumentParser, asked: argparse.Namespace
) -> tuple[datetime, int | None]:
    """Return the minute and the workspace that are asked about; exit with 2 if it is not there."""
    workspace_id = None
    with read_only(engine) as connection:
        minute = minute_of(as_of(connection, asked.at))
        if asked.workspace is not None:
            workspace_id = find_workspace_id(connection, asked.workspace)
            if workspace_id is None:
                parser.error(f"argument --workspace: there is no workspace {asked.workspace!r}")
    return minute, workspace_id


def _print_all(found: Iterator[DueConnector]) -> int:
    count = 0
    for due in found:
        count += 1
        _say(
            f"{due.workspace_slug:<20} {due.connector_id} {due.connector_type:<14} "
            f"{_text(due.period_at)} {_text(due.starts_at)}"
        )
    return count


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _fail(sentence: str) -> int:
    sys.stderr.write(f"due: {sentence}\n")
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
