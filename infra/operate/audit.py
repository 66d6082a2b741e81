"""`make audit`: whether the chains of the audit logs hold, or that of an export."""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from shared.config import read_database_url
from shared.domain.audit_chain import BrokenExportError, follow_export
from shared.errors import SynclineError
from shared.logs import configure_logging
from shared.store.audit import has_entry, list_chains, verify_audit
from shared.store.engine import create_engine_for, read_only
from shared.store.rows import Row

_FAILED = 1
_PAGE = 500
_LONGEST_LINE = 8 << 20
"""An entry has two sides of 64 KiB, each of them there twice and in quotes."""
_NOTE_FORM = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Note:
    """The end of a chain, as an earlier call printed it."""

    number: int
    hash: bytes


def main(arguments: list[str] | None = None) -> int:
    """Print of each workspace how many entries its log has and where its chain ends.

    Of a file, the same of its entries, without a database. Returns 0 if all chains hold and have
    what was noted, 1 if one does not, or after trouble. What cannot be asked is refused with exit
    code 2.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.file is not None:
        return _verify_file(asked.file, asked.contains)
    if asked.contains is not None and asked.workspace is None:
        parser.error("argument --contains: say with --workspace whose it is")
    configure_logging("text", service="audit", project="")
    try:
        engine = create_engine_for(
            read_database_url(),
            pool_size=1,
            application_name="syncline-audit",
            is_operator=True,
        )
        # One snapshot, so that what is added meanwhile is not taken for a break.
        with read_only(engine) as connection:
            found, broken = _verify_all(connection, asked.workspace, asked.contains)
    except SynclineError as error:
        return _fail(str(error))
    except (SQLAlchemyError, OSError) as error:
        # A driver's own text quotes the URL.
        return _fail(f"The database cannot be read ({type(error).__name__}).")
    if not found and asked.workspace is not None:
        parser.error(f"argument --workspace: there is no workspace {asked.workspace!r}")
    return _FAILED if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="audit", description="Verify the chains of the audit logs, deleted workspaces' too."
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--workspace", metavar="SLUG", help="one workspace only")
    which.add_argument(
        "--file", metavar="EXPORT", type=Path, help="an export instead, as JSON lines; no database"
    )
    parser.add_argument(
        "--contains",
        metavar="NUMBER:HASH",
        type=_note,
        help="also that the chain has this entry, as an earlier call printed it",
    )
    return parser


def _verify_file(path: Path, note: Note | None) -> int:
    """Print what became of an export; return 0 if it holds and has what was noted, else 1."""
    try:
        with path.open("rb") as file:
            stretch = follow_export(_lines(file), noted=None if note is None else note.number)
    except BrokenExportError as error:
        _say(f"{path.name}: BROKEN: {error}.")
        return _FAILED
    except OSError as error:
        return _fail(f"The file cannot be read ({type(error).__name__}).")
    if note is not None and (stretch is None or stretch.noted != note.hash):
        _say(f"{path.name}: holds, and LACKS entry {note.number} as it was noted.")
        return _FAILED
    if stretch is None:
        _say(f"{path.name}: 0 entries hold")
        return 0
    before, end = stretch.before, stretch.end
    begin = f"; it follows on {before.number}:{before.hash.hex()}" if before.number else ""
    last = f"; it ends with {end.number}:{end.hash.hex()}"
    _say(f"{path.name}: {stretch.entries} entries hold{begin}{last}")
    return 0


def _lines(file: BufferedReader) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        # A part of a line, or what is no UTF-8, is no JSON either.
        yield line.decode(errors="replace")


def _note(text: str) -> Note:
    found = _NOTE_FORM.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("it is not NUMBER:HASH, as this command prints it")
    return Note(int(found[1]), bytes.fromhex(found[2]))


def _verify_all(connection: Connection, slug: str | None, note: Note | None) -> tuple[int, int]:
    """Return how many chains were looked at, and how many of them do not hold."""
    found = broken = 0
    last: int | None = 0
    while last is not None:
        page = list_chains(connection, slug=slug, after_id=last, limit=_PAGE)
        found += len(page)
        broken += sum(not _verify(connection, row, note) for row in page)
        last = page[-1]["id"] if len(page) == _PAGE else None
    return found, broken


def _verify(connection: Connection, row: Row, note: Note | None) -> bool:
    """Print what became of one chain; return whether it holds."""
    verdict = verify_audit(connection, row["id"])
    if verdict.broken_at is not None:
        _say(f"{row['slug']}: BROKEN at entry {verdict.broken_at}.")
        return False
    if note is not None and not has_entry(connection, row["id"], note.number, note.hash):
        _say(f"{row['slug']}: REWRITTEN: the chain holds, and entry {note.number} is another one.")
        return False
    end = f"; it ends with {verdict.entries}:{verdict.head.hex()}" if verdict.entries else ""
    _say(f"{row['slug']}: {verdict.entries} entries hold{end}")
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _fail(sentence: str) -> int:
    sys.stderr.write(f"audit: {sentence}\n")
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
