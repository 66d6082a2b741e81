"""Records on their way in: told to the progress, and made what the stream keeps."""

from collections.abc import Sequence
from typing import Any

from shared.connectors.api.asks import Parent
from shared.connectors.api.cursor import Cursor
from shared.connectors.api.stream_config import StreamConfig
from shared.connectors.json_http.answers import Record, is_object
from shared.connectors.progress import StreamProgress
from shared.connectors.watermarks import CursorValue
from shared.domain.fault import Fault
from shared.errors import PermanentError


class Intake:
    """Takes the records of one stream in."""

    def __init__(self, stream: StreamConfig, progress: StreamProgress) -> None:
        self._stream = stream
        self._progress = progress
        self._cursor = None if stream.cursor is None else Cursor(stream.name, stream.cursor)
        self._columns = None if stream.columns is None else frozenset(stream.columns)

    def take(self, records: Sequence[Record], parent: Parent | None) -> list[Record]:
        """Return records as they are kept, with the fields copied from their parent.

        What is no object is left as it is, to be rejected. Raises `PermanentError` if no record has
        the primary key, or cursor values are not of the configured format or cannot be compared.
        """
        kept = [self._kept(record, parent) for record in records]
        check_key(self._stream, kept)
        self._observe(records)
        return kept

    def _observe(self, records: Sequence[Record]) -> None:
        if self._cursor is None:
            self._progress.observe(records)
            return
        field = self._cursor.config.field
        try:
            self._progress.observe(
                [{field: value} for value in cursor_values(self._cursor, records)]
            )
        except TypeError:
            raise PermanentError(
                f"{self._stream.name} has values in {field} that cannot be compared, such as times"
                " with and without a zone: choose another cursor field or format.",
                fault=Fault.SCHEMA,
            ) from None

    def _kept(self, record: Any, parent: Parent | None) -> Any:
        if not is_object(record):
            return record
        config = self._stream.parent
        copied: dict[str, Any] = {}
        if config is not None and parent is not None:
            copied = {name: parent[source] for name, source in config.copied.items()}
        return {
            name: value
            for name, value in {**record, **copied}.items()
            if self._columns is None or name in self._columns
        }


def check_key(stream: StreamConfig, records: Sequence[Record]) -> None:
    """Raise `PermanentError` if no record has a field of the primary key: its name is wrong.

    Single records without one are rejected when they are loaded.
    """
    objects = [record for record in records if is_object(record)]
    for name in stream.primary_key:
        if objects and all(record.get(name) is None for record in objects):
            raise PermanentError(
                f"The records of {stream.name} have no {name}: correct primary_key.",
                fault=Fault.SCHEMA,
            )


def cursor_values(cursor: Cursor, records: Sequence[Record]) -> list[CursorValue | None]:
    """Return the cursor value of each record, None for one that cannot be read.

    Raises `PermanentError` if none of those that are there can be read: the format is wrong.
    """
    values: list[CursorValue | None] = []
    misfit: PermanentError | None = None
    for record in records:
        try:
            values.append(cursor.value_of(record) if is_object(record) else None)
        except PermanentError as error:
            values.append(None)
            misfit = error
    if misfit is not None and all(value is None for value in values):
        raise misfit
    return values
