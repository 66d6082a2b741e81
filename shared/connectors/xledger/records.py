"""Nodes as the records that land: a column for each field, numbers out of texts."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from shared.connectors.xledger.names import column_of
from shared.connectors.xledger.stream_config import StreamConfig

_NUMBER = re.compile(r"-?\d{1,1000}(\.\d{1,1000})?", re.ASCII)


class Shape:
    """How the nodes of one stream become records."""

    def __init__(self, stream: StreamConfig) -> None:
        self._paths = [path.split(".") for path in stream.fields]
        self._numbers = [column_of(path) for path in stream.numbers]
        self.primary_key = tuple(map(column_of, stream.primary_key))

    def records(self, nodes: Sequence[Any]) -> list[Any]:
        """Return nodes as records; what is no object is left as it is, to be rejected."""
        return [self._record(node) if isinstance(node, dict) else node for node in nodes]

    def _record(self, node: dict[str, Any]) -> dict[str, Any]:
        record = dict(self._column(node, path) for path in self._paths) if self._paths else node
        read = {name: _number(record[name]) for name in self._numbers if name in record}
        return {**record, **read}

    def _column(self, node: dict[str, Any], path: list[str]) -> tuple[str, Any]:
        """Return a column and its value: the list, if one stands on the way to the field."""
        value: Any = node
        for depth, part in enumerate(path):
            if isinstance(value, list):
                return "_".join(path[:depth]), value
            value = value.get(part) if isinstance(value, dict) else None
        return "_".join(path), value


def _number(value: Any) -> Any:
    """Return the number that a text holds; a text that holds none as it is."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    return Decimal(value) if "." in value else int(value)
