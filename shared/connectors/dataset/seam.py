"""What the runner asks of the dataset in which the streams of a slice land."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dlt.common.destination import Destination
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchemaColumns

from shared.connectors.dataset.brought import Brought
from shared.connectors.dataset.tally import LoadTally


@dataclass(frozen=True, slots=True)
class Prepared:
    """What dlt made of a stream's records: the files of one table, and the schema that types it.

    The files are in the format that the dataset's `destination` prefers.
    """

    schema: Schema
    table: str
    files: Sequence[Path]


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """What a slice brings of one stream beside its rows, and where it lands.

    `key` are columns of the dataset. A stream that is `continued` brings only what comes after what
    an earlier slice or run has landed: if its table is gone, it must not be made again.
    """

    stream: str
    table: str
    key: Sequence[str]
    is_continued: bool
    brought: Brought


class SliceDataset(Protocol):
    """The dataset of a connector as one slice writes it: one thread, one stream after the other.

    Every method raises `TransientError`, `PermanentError` or `LeaseLostError` and nothing else.
    Whatever one of them met, the next stream can be loaded: what broke is opened anew.
    """

    @property
    def destination(self) -> Destination[Any, Any]:
        """Return what dlt prepares files for: names, types and format."""
        ...

    def hints(self, columns: TTableSchemaColumns) -> TTableSchemaColumns:
        """Return the hints of a stream with which dlt's files for it keep every value."""
        ...

    def take_turn(self) -> None:
        """Take the connector's turn to load, and keep it until `close`.

        The lease is confirmed once the turn has come. Costs next to nothing while it is held; one
        that was lost is taken again.
        """
        ...

    def load(self, prepared: Prepared, load: StreamLoad) -> LoadTally:
        """Stage and merge the files, with what was brought, while the turn is held.

        All of it happens or nothing, and it happens only while the lease is held.
        """
        ...

    def write_alone(self, load: StreamLoad) -> LoadTally:
        """Write what was brought of a stream that has no row to load; the same promise."""
        ...

    def close(self) -> None:
        """Give the turn back; never raises, and does nothing when it is not held."""
        ...
