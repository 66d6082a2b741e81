"""Values of arguments and variables in a connector's settings: JSON that GraphQL can say."""

from math import isfinite
from typing import Any

ENUM = "$enum"
"""The name in an object of one that stands for a value of an enum: no field of GraphQL has it."""

_MOST_LEVELS = 10


def check_value(value: Any, levels: int = _MOST_LEVELS) -> None:
    """Raise `ValueError` for what cannot be written as a value of GraphQL."""
    if levels == 0:
        raise ValueError(f"arguments and variables may have {_MOST_LEVELS} levels at most")
    match value:
        case float() if not isfinite(value):
            raise ValueError("there is no such number in GraphQL")
        case list():
            for one in value:
                check_value(one, levels - 1)
        case dict() if ENUM in value:
            symbol = value[ENUM]
            if len(value) > 1 or not isinstance(symbol, str) or not _is_name(symbol):
                raise ValueError('a value of an enum is written {"$enum": "NAME"}')
        case dict():
            for name, one in value.items():
                _check_member(name, one, levels)
        case _:
            return


def _check_member(name: str, value: Any, levels: int) -> None:
    if not _is_name(name):
        raise ValueError("names in arguments and variables have letters, digits and _ only")
    check_value(value, levels - 1)


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii()
