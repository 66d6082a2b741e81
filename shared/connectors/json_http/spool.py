"""What a slice reads of a stream, kept aside until it is known what its fields hold.

A later page may have fields and kinds of values that the first did not, and dlt, told of them too
late, would take a text for a number or a time, and round.
"""

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import simplejson

from shared.connectors.json_http.answers import Record, read_json
from shared.connectors.json_http.kinds import Kinds
from shared.connectors.slices import FOLDER_BYTES
from shared.errors import LeaseLostError

_MOST_BYTES = FOLDER_BYTES // 2
"""Files are memory on Cloud Run: what is kept aside is there beside what dlt makes of it."""


class Spool:
    """Keeps the pages of one stream aside; `columns` is filled before the first comes out."""

    def __init__(self, kinds: Kinds) -> None:
        self.columns: dict[str, Any] = {}
        self._kinds = kinds
        self._bytes = 0

    def has_room(self) -> bool:
        """Tell whether there is room for another page."""
        return self._bytes < _MOST_BYTES

    def passed(self, pages: Iterator[list[Record]]) -> Iterator[list[Record]]:
        """Yield the pages as they land, after the last was read.

        What kept `pages` from going on is raised behind those that were read.
        """
        with tempfile.TemporaryFile("w+", encoding="ascii", prefix="syncline-spool-") as file:
            trouble = self._fill(file, pages)
            self.columns.update(self._kinds.columns())
            file.seek(0)
            for line in file:
                yield self._kinds.landed(read_json(line))
        if trouble is not None:
            raise trouble

    def _fill(self, file: IO[str], pages: Iterator[list[Record]]) -> Exception | None:
        try:
            for page in pages:
                self._kinds.learn(page)
                # Its ASCII has room for halves of surrogate pairs, which are rejected later on.
                self._bytes += file.write(simplejson.dumps(page, use_decimal=True))
                file.write("\n")
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 (it is raised again, behind the pages)
            return error
        return None
