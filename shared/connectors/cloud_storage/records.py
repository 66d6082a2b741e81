"""What the readers of all formats give: pages of records, and where reading can go on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.connectors.cloud_storage.landing import Kind
from shared.connectors.cloud_storage.stream_config import ROW
from shared.connectors.cloud_storage.unreadable import Unreadable, UnreadableRecords

PAGE_ROWS = 5_000
PAGE_BYTES = 8 * 1024 * 1024
"""How large a page gets, about: several copies of one are in memory on the way to its file."""
_SHOWN = 2_000

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file: behind how many records, and at which byte if that is of use.

    In a file that is packed, or whose records have no bytes of their own, reading begins at the
    start and passes over what lies before.
    """

    row: int = 0
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some records of a file: `kinds` has their columns, and `behind` is where the next begin.

    A record that cannot be read is a text that says why, which no dataset takes: it is rejected.
    """

    records: Sequence[Record | str]
    kinds: Mapping[str, Kind]
    behind: Place


class FileReader(Protocol):
    """Reads one file of one format. It takes no more memory than a few pages do."""

    def kinds(self) -> Mapping[str, Kind]:
        """Return the columns of the file, as far as its beginning tells.

        Raises `PermanentError` if the file is not of its format.
        """
        ...

    def pages(self, start: Place) -> Iterator[FilePage]:
        """Yield the records behind a place, in pages of `PAGE_ROWS` and `PAGE_BYTES` at most."""
        ...


@dataclass(slots=True)
class Page:
    """A page that is being filled from the record `row` of the file at `path` on."""

    path: str
    row: int
    unreadable: UnreadableRecords
    records: list[Record | str] = field(default_factory=list[Record | str])
    size: int = 0

    @property
    def is_full(self) -> bool:
        """Tell whether it is time to hand the page over."""
        return len(self.records) >= PAGE_ROWS or self.size >= PAGE_BYTES

    def add(self, record: Record, size: int) -> None:
        """Add the next record of the file, which took so many bytes of it."""
        self.row += 1
        record[ROW] = self.row
        self.records.append(record)
        self.size += size

    def add_broken(self, why: Unreadable, text: object, size: int) -> None:
        """Add the next record of the file, which cannot be read."""
        self.row += 1
        self.unreadable.add(self.path, self.row, why)
        told = {"file": self.path, "record": self.row, "problem": f"The record {why}."}
        shown = {"text": str(text)[:_SHOWN]} if text else {}
        self.records.append(json.dumps({**told, **shown}, ensure_ascii=False))
        self.size += min(size, PAGE_BYTES)

    def take(self, kinds: Mapping[str, Kind], offset: int | None) -> FilePage:
        """Return what there is as a page, and begin the next."""
        page = FilePage(self.records, kinds, Place(self.row, offset))
        self.records, self.size = [], 0
        return page
