"""The position of a table between two slices: JSON that says where to go on, and of what table.

A position of a table that was configured otherwise since, or whose columns have other types, is of
no use: it is ignored, and the table is read from its watermark again. That loses nothing.
"""

from collections.abc import Mapping
from typing import Any

from shared.connectors.base import Position
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.order import LastRow, ReadOrder
from shared.connectors.watermarks import read_value, write_value
from shared.domain.run import Reason
from shared.errors import PermanentError


def finished(config: StreamConfig) -> Position:
    """Return the position of a table that was read to its end."""
    return {**_identity(config), "finished": True}


def behind(config: StreamConfig, last: LastRow) -> Position:
    """Return the position behind a row of a table."""
    return {
        **_identity(config),
        "finished": False,
        "cursor_value": None if last.cursor is None else write_value(last.cursor),
        "key_values": [write_value(value) for value in last.key],
    }


def is_finished(config: StreamConfig, position: Position | None) -> bool:
    """Tell whether an earlier slice of the run has read the table to its end."""
    return position is not None and _is_of(config, position) and position.get("finished") is True


def read_position(
    config: StreamConfig, order: ReadOrder, position: Position | None
) -> LastRow | None:
    """Return the row to go on behind, or None to begin at the watermark.

    Raises `PermanentError` if the position is of this table and cannot be read.
    """
    if position is None or not _is_of(config, position):
        return None
    try:
        last = _last_row(position)
    except (KeyError, TypeError, ValueError) as error:
        raise PermanentError(
            f"The place where the sync of {config.table} stopped cannot be read: start it anew.",
            code=Reason.INTERNAL,
        ) from error
    return last if order.has_row(last) else None


def _identity(config: StreamConfig) -> dict[str, object]:
    identity: dict[str, object] = {"schema": config.schema_name, "cursor": config.cursor}
    # Without one in the settings the key is the table's, and not known before a look at it.
    return identity if config.primary_key is None else {**identity, "key": config.primary_key}


def _is_of(config: StreamConfig, position: Position) -> bool:
    return all(position.get(name, ...) == value for name, value in _identity(config).items())


def _last_row(position: Mapping[str, Any]) -> LastRow:
    cursor = position["cursor_value"]
    return LastRow(
        None if cursor is None else read_value(cursor),  # pyright: ignore[reportArgumentType] (fits or not: `has_row`)
        tuple(read_value(value) for value in position["key_values"]),
    )
