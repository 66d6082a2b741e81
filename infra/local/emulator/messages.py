"""What the protobuf messages of the two APIs share."""

from datetime import timedelta
from typing import Any, TypeAlias

# protobuf builds these classes at run time, so there is no type that a checker could know.
Message: TypeAlias = Any


def duration(message: Message) -> timedelta:
    """Return a Duration; raises `ValueError` or `OverflowError` for one out of range."""
    return message.ToTimedelta()
