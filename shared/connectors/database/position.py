"""The position of a table between two slices: JSON that says where to go on, and of what table.

A position of a table that was configured otherwise since, or whose columns have other types, is of
no use: it is ignored, and the table is read from its watermark again. That loses nothing.
"""

from collections.abc import Mapping
from typing import Any

from shared.connectors.base import Position
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.order import LastRow, ReadOrder
from shared.connectors.positions import identity, read_cursor, read_stop, unfinished, write_cursor
from shared.connectors.watermarks import read_value, write_value


def identity_of(config: StreamConfig) -> str:
    """Return what a position is of: a table as it is configured."""
    # Without one in the settings the key is the table's, and not known before a look at it.
    return identity([config.schema_name, config.cursor, config.primary_key])


def behind(config: StreamConfig, last: LastRow) -> Position:
    """Return the position behind a row of a table."""
    key = [write_value(value) for value in last.key]
    return unfinished(
        identity_of(config), {"cursor_value": write_cursor(last.cursor), "key_values": key}
    )


def read_position(
    config: StreamConfig, order: ReadOrder, position: Position | None
) -> LastRow | None:
    """Return the row to go on behind, or None to begin at the watermark.

    Raises `PermanentError` if the position is of this table and cannot be read.
    """
    last = read_stop(config.table, identity_of(config), position, _last_row)
    return last if last is not None and order.has_row(last) else None


def _last_row(position: Mapping[str, Any]) -> LastRow:
    return LastRow(
        read_cursor(position["cursor_value"]),
        tuple(read_value(value) for value in position["key_values"]),
    )
