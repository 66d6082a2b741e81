"""Connections as streams that a workspace can select, with the settings that select them."""

import re
from collections.abc import Sequence

from shared.connectors.base import SourceColumn, SourceStream
from shared.connectors.json_http.answers import Record
from shared.connectors.json_http.fields import columns_of, cursors_of
from shared.connectors.xledger.schema import Connection, NodeField
from shared.connectors.xledger.stream_config import StreamConfig

_KIND = "connection"
_KEYS = ("dbId", "id")
_IS_TIME = re.compile(r"(date_?time|timestamp|instant)(string)?", re.IGNORECASE)
_IS_NUMBER = re.compile(
    r"((big)?decimal|money|long|big_?int|u?int(8|16|32|64)|double|number|amount)(string)?",
    re.IGNORECASE,
)
"""Names of scalars whose values may be sent as texts, since a JSON reader could round them."""
_MOVES = re.compile(r"(modif|updat|chang)", re.IGNORECASE)


def offer_of(connection: Connection) -> SourceStream | None:
    """Return a connection as a stream; None if nothing in its nodes identifies them.

    `cursors` are the times that the connection can be filtered by. Its settings select what needs
    no selection of its own: scalars, enums and lists of them.
    """
    leaves = [field for field in connection.fields if field.is_leaf]
    names = {field.name for field in leaves}
    key = next((name for name in _KEYS if name in names), None)
    if key is None:
        return None
    cursors = _cursors(leaves, connection.filters)
    settings: dict[str, object] = {
        "name": connection.name,
        "fields": [field.name for field in leaves],
        "primary_key": [key],
    }
    if cursors:
        settings["cursor"] = {"field": cursors[0], "parameter": f"filter.{_since(cursors[0])}"}
    numbers = [field.name for field in leaves if _IS_NUMBER.fullmatch(field.type)]
    if numbers:
        settings["numbers"] = numbers
    columns = [SourceColumn(one.name, one.type, one.is_nullable) for one in connection.fields]
    return SourceStream(connection.name, _KIND, (key,), cursors, tuple(columns), settings)


def seen_stream(stream: StreamConfig, records: Sequence[Record]) -> SourceStream:
    """Return a configured stream with what the records of its first page show."""
    columns = columns_of(records)
    settings = stream.model_dump(mode="json", exclude_defaults=True)
    return SourceStream(
        name=stream.name,
        kind=_KIND,
        primary_key=tuple(stream.primary_key),
        cursors=cursors_of(columns, records),
        columns=columns,
        settings={**settings, "primary_key": list(stream.primary_key)},
    )


def _cursors(leaves: Sequence[NodeField], filters: frozenset[str]) -> tuple[str, ...]:
    names = [
        field.name
        for field in leaves
        if _IS_TIME.fullmatch(field.type) and _since(field.name) in filters
    ]
    return tuple(sorted(names, key=lambda name: (not _MOVES.search(name), name)))


def _since(name: str) -> str:
    """Return what the filter for values from one on is called."""
    return f"{name}_gte"
