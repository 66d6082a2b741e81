"""What dlt is told of the columns of a stream, so that each value lands as it was read."""

from collections.abc import Mapping
from typing import cast

from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

from shared.connectors.cloud_storage.landing import Kind
from shared.connectors.cloud_storage.stream_config import FILE, MODIFIED_AT, ROW, StreamConfig
from shared.connectors.dataset.destination import COLUMN_TYPE

_OURS: Mapping[str, Kind] = {FILE: Kind.TEXT, ROW: Kind.BIGINT, MODIFIED_AT: Kind.TIMESTAMP}
_HINTS: Mapping[Kind, Mapping[str, object]] = {
    Kind.TEXT: {"data_type": "text"},
    Kind.BIGINT: {"data_type": "bigint"},
    # As text all the way: dlt has no type for so many digits, and parses JSON anew.
    Kind.NUMERIC: {"data_type": "text", COLUMN_TYPE: "numeric"},
    Kind.JSON: {"data_type": "text", COLUMN_TYPE: "jsonb"},
    Kind.BINARY: {"data_type": "text", COLUMN_TYPE: "bytea"},
    Kind.DOUBLE: {"data_type": "double"},
    Kind.BOOL: {"data_type": "bool"},
    Kind.DATE: {"data_type": "date"},
    Kind.TIME: {"data_type": "time"},
    Kind.TIMESTAMP: {"data_type": "timestamp", "timezone": True},
    Kind.DATETIME: {"data_type": "timestamp", "timezone": False},
}


def hints_of(kinds: Mapping[str, Kind], config: StreamConfig) -> TTableSchemaColumns:
    """Return the hints for columns of these kinds, and for those that every record has."""
    return {name: _hint(name, kind, config) for name, kind in {**kinds, **_OURS}.items()}


def _hint(name: str, kind: Kind, config: StreamConfig) -> TColumnSchema:
    hint: dict[str, object] = {"name": name, "nullable": name not in config.primary_key}
    hint |= _HINTS[kind]
    if name == MODIFIED_AT:
        hint["dedup_sort"] = "desc"  # of two records with one key that of the newer file counts
    return cast("TColumnSchema", hint)
