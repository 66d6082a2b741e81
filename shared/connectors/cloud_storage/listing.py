"""Which files of a stream are to be read, and in which order: oldest first, and then by path."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.connectors.cloud_storage.globs import common_prefix
from shared.connectors.cloud_storage.marks import Mark, name_of
from shared.connectors.cloud_storage.store import Store, StoredFile
from shared.connectors.cloud_storage.stream_config import StreamConfig
from shared.domain.fault import Fault
from shared.errors import PermanentError

MOST_FILES = 10_000
"""How many files one slice plans to read; the next looks again."""
MOST_LISTED = 1_000_000

Order = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """What is to be read; `known` are the files passed over that a mark knows, by name."""

    files: list[StoredFile]
    known: dict[str, datetime]
    has_more: bool


def order_of(file: StoredFile) -> Order:
    """Return what files are sorted by."""
    return file.modified_at, file.path


def list_files(
    store: Store, config: StreamConfig, mark: Mark | None, done: Order | None
) -> Listing:
    """List what a mark does not know yet, behind what a run has `done`.

    Only as many files are kept as a slice plans to read, however many are listed. Raises
    `PermanentError` if they are too many even so.
    """
    files: list[StoredFile] = []
    known: dict[str, datetime] = {}
    has_more = False
    for file in matching(store, config):
        if mark is not None and file.modified_at < mark.since:
            continue
        if mark is not None and (name := name_of(file)) in mark.known:
            known[name] = file.modified_at
        elif done is None or order_of(file) > done:
            files.append(file)
        if len(files) >= 2 * MOST_FILES:
            has_more = True
            files = sorted(files, key=order_of)[:MOST_FILES]
    files.sort(key=order_of)
    return Listing(files[:MOST_FILES], known, has_more or len(files) > MOST_FILES)


def matching(store: Store, config: StreamConfig) -> Iterator[StoredFile]:
    """Yield the files of a stream, in no order."""
    listed = 0
    for page in store.pages(common_prefix(config.prefixes)):
        listed += len(page)
        if listed > MOST_LISTED:
            raise PermanentError(
                f"{config.name} would look through more than {MOST_LISTED:,} files: begin its"
                " patterns with the folder that they are in.",
                fault=Fault.SETTINGS,
            )
        yield from (file for file in page if config.matches(file.path))
