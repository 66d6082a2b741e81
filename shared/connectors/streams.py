"""A stream as the runner moves it: its pages, what identifies its records, and how far they go."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dlt.common.schema.typing import TTableSchemaColumns

from shared.connectors.progress import StreamProgress
from shared.connectors.rejects_values import Doubt
from shared.connectors.slices import StreamTime

Record = dict[str, Any]


class Whole(StrEnum):
    """Where a slice begins to read a stream of which its run brings everything.

    Rows of the dataset that the source has no more are deleted when the stream comes to its end.
    """

    BEGINS = "begins"
    """Where the stream does."""
    GOES_ON = "goes_on"
    """Behind what earlier slices of the run have brought."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream to move: its records page by page, what identifies them, and how far they go.

    `columns` are dlt's hints; a column without one gets the type of what it holds. A stream whose
    columns all have one says by `doubts` which of them may hold what a dataset cannot take. `whole`
    is said of a stream of which a run brings everything.
    """

    pages: Iterator[list[Record]]
    primary_key: tuple[str, ...]
    progress: StreamProgress
    columns: TTableSchemaColumns = field(default_factory=dict[str, Any])
    doubts: Mapping[str, Doubt] | None = None
    whole: Whole | None = None


OpenStream = Callable[[StreamTime], Stream]
"""Looks at a stream's source, and makes what reads it within the time and room of a slice."""
