"""What positions of streams have in common: whose they are, and whether there is more.

A position of a stream that was configured otherwise since is of no use: it is ignored, and the
stream is read from its watermark again. That loses nothing.
"""

import json
from collections.abc import Sequence
from hashlib import sha256

from shared.connectors.base import Position


def identity(settings: Sequence[object]) -> str:
    """Return what a position is of: the settings of its stream, which hold no secret."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def finished(identity: str) -> Position:
    """Return the position of a stream that was read to its end."""
    return {"of": identity, "finished": True}


def is_finished(identity: str, position: Position | None) -> bool:
    """Tell whether an earlier slice of the run has read the stream to its end."""
    return position is not None and position.get("of") == identity and bool(position["finished"])
