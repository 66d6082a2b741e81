"""Records that a file's format does not let us read: counted, told, and passed over."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from shared.domain.fault import Fault
from shared.errors import PermanentError

MOST_UNREADABLE = 1_000
"""How many records of a stream one slice may pass over; more of them are the stream's trouble."""


class Unreadable(StrEnum):
    """Why a record cannot be read, as it is told."""

    ENCODING = "is not in the encoding of its stream"
    FIELDS = "has more or fewer fields than its header"
    QUOTES = "has quotes that do not close"
    JSON = "is no JSON"
    NOT_AN_OBJECT = "is no JSON object"
    TOO_LONG = "has more than 8 MiB"
    TOO_FINE = "has a time that is finer than a microsecond"
    TYPE = "has a value that is not of its column's type"


class UnreadableRecords:
    """Keeps count of a stream's unreadable records, and of the first of each kind."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._counts: Counter[Unreadable] = Counter()
        self._first: dict[Unreadable, str] = {}

    @property
    def total(self) -> int:
        """Return how many there were."""
        return self._counts.total()

    def add(self, path: str, row: int, why: Unreadable) -> None:
        """Take note of one; raise `PermanentError` if there are too many."""
        self._counts[why] += 1
        self._first.setdefault(why, f"{path}, record {row}")
        if self.total > MOST_UNREADABLE:
            most, _ = self._counts.most_common(1)[0]
            raise PermanentError(
                f"More than {MOST_UNREADABLE:,} records of {self._stream} cannot be read; the first"
                f" that {most} is {self._first[most]}. Check format, encoding, csv and columns of"
                " the stream, or correct the file.",
                fault=Fault.SCHEMA,
            )

    def told(self) -> Mapping[str, object]:
        """Return for `metadata` how many there were by reason, and where the first of each is."""
        return {
            why.name.lower(): {"count": count, "first": self._first[why]}
            for why, count in self._counts.items()
        }
