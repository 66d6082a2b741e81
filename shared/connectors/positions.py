"""What positions of streams have in common: whose they are, and whether there is more.

A position of a stream that was configured otherwise since is of no use: it is ignored, and the
stream is read from its watermark again. That loses nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar, cast

from shared.connectors.base import Position
from shared.connectors.watermarks import CursorValue, read_value, write_value
from shared.domain.run import Reason
from shared.errors import PermanentError

T = TypeVar("T")


def identity(settings: Sequence[object]) -> str:
    """Return what a position is of: the settings of its stream, which hold no secret."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def finished(identity: str) -> Position:
    """Return the position of a stream that was read to its end."""
    return {"of": identity, "finished": True}


def is_finished(identity: str, position: Position | None) -> bool:
    """Tell whether an earlier slice of the run has read the stream to its end."""
    return position is not None and position.get("of") == identity and bool(position["finished"])


def unfinished(identity: str, stop: Mapping[str, Any]) -> Position:
    """Return the position of a stream of which a slice left the rest, from where `stop` says on."""
    return {"of": identity, "finished": False, **stop}


def read_stop(
    name: str, identity: str, position: Position | None, read: Callable[[Mapping[str, Any]], T]
) -> T | None:
    """Return where the stream `name` goes on, as `read` makes it of `unfinished`; None to begin.

    `read` raises `LookupError`, `TypeError` or `ValueError` of what is no position of its own; then
    `PermanentError` is raised.
    """
    if position is None or position.get("of") != identity:
        return None
    try:
        return read(position)
    except (LookupError, TypeError, ValueError) as error:
        raise PermanentError(
            f"The place where the sync of {name} stopped cannot be read: start it anew.",
            code=Reason.INTERNAL,
        ) from error


def write_cursor(value: CursorValue | None) -> Mapping[str, str] | None:
    """Return a cursor value as JSON."""
    return None if value is None else write_value(value)


def read_cursor(stored: Mapping[str, str] | None) -> CursorValue | None:
    """Return what `write_cursor` wrote; raise `KeyError`, `TypeError` or `ValueError`."""
    # Only values of cursors are written.
    return None if stored is None else cast("CursorValue", read_value(stored))
