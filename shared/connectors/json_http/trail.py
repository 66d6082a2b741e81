"""The pages of a stream that were seen, so that one that comes again is told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from shared.connectors.json_http.answers import Record, is_object
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_MOST_REMEMBERED = 200
"""How many pages a slice tells the next one of, so that a circle shows over slices, too."""
_MOST_REPEATS = 2
"""So often a page may come again: rows that are inserted while they are paged move the others on,
by a whole page if there are enough of them, but hardly twice in a row."""

Memory = Mapping[str, Any]
"""What is known of the pages so far: JSON."""


@dataclass(slots=True)
class Trail:
    """The way of one stream through its pages; `advice` says what to check if it is a circle."""

    stream: str
    primary_key: Sequence[str]
    advice: str
    seen: dict[str, None] = field(default_factory=dict[str, None])
    last_keys: str = ""
    repeats: int = 0

    def recall(self, memory: Memory) -> None:
        """Go on with what an earlier slice left."""
        self.seen = dict.fromkeys(memory["seen"])
        self.last_keys = memory["last_keys"]
        self.repeats = memory["repeats"]

    def arrive(self, asked: object, records: Sequence[Record]) -> None:
        """Take note of a page and what was asked for it.

        Raises `PermanentError` with the code `cursor_stuck` if the source gives it for ever.
        """
        self.seen[_digest(asked)] = None
        keys = [
            [record.get(name) for name in self.primary_key]
            for record in records
            if is_object(record)
        ]
        digest = _digest(keys) if records else ""
        self.repeats = self.repeats + 1 if records and digest == self.last_keys else 0
        self.last_keys = digest
        if self.repeats >= _MOST_REPEATS:
            raise self._stuck("gives the same page again and again")

    def leave(self, asks: object) -> None:
        """Raise as `arrive` does if what asks for the next page has asked for one before."""
        if _digest(asks) in self.seen:
            raise self._stuck("names a page as its next that was read before")

    def forget(self) -> None:
        """Begin anew, at the first page."""
        self.seen, self.last_keys, self.repeats = {}, "", 0

    def memory(self) -> Memory:
        """Return what the next slice has to know."""
        return {
            "seen": list(self.seen)[-_MOST_REMEMBERED:],
            "last_keys": self.last_keys,
            "repeats": self.repeats,
        }

    def _stuck(self, what: str) -> PermanentError:
        return PermanentError(
            f"{self.stream} does not come to an end: its source {what}. {self.advice}",
            code=Reason.CURSOR_STUCK,
            fault=Fault.SCHEMA,
        )


def _digest(value: object) -> str:
    return sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]
