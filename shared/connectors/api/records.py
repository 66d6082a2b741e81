"""Records on their way in: told to the progress, and made what the stream keeps."""

from collections.abc import Sequence
from typing import Any

from shared.connectors.api.asks import Parent
from shared.connectors.api.stream_config import StreamConfig
from shared.connectors.json_http.answers import Record, is_object
from shared.connectors.json_http.cursor import Cursor
from shared.connectors.json_http.intake import check_key, observe
from shared.connectors.progress import StreamProgress


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
        check_key(self._stream.name, self._stream.primary_key, kept)
        observe(self._progress, self._cursor, records)
        return kept

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
