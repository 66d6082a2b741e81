"""JSON as the API takes it: one object in UTF-8 that says everything once, in text to be kept.

What Python's parser lets pass, and databases and other parsers understand otherwise, is refused.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from shared.errors import InvalidInputError, Problem

_MAX_DEPTH = 32
_MAX_DIGITS = 300
_MAX_TOKEN = 100


class MalformedError(ValueError):
    """The body is no JSON, or not an object; the text says why, and nothing of the body."""


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the object in a body.

    Raises `MalformedError`, or `InvalidInputError` for what is JSON and cannot be taken: a name
    that comes twice, a NUL character, half of a surrogate pair, too many levels.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("The body is not text in UTF-8.") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_number,
            parse_int=_whole_number,
        )
    except RecursionError:
        raise _refused("json_depth", _TOO_DEEP, _FLATTEN) from None
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"The body is not JSON: see line {error.lineno}, column {error.colno}."
        ) from None
    if not isinstance(value, dict):
        raise MalformedError("The body is not a JSON object.")
    _check(value)
    return value


_TOO_DEEP = f"it has more than {_MAX_DEPTH} levels"
_FLATTEN = "Send fewer levels."
_WHOLE = "Send both halves of the surrogate pair, or the character itself."


class _Twice(dict[str, Any]):
    """An object of which a name comes twice; told where it stands once the whole is read."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


def _refuse_constant(_name: str) -> NoReturn:
    raise MalformedError("The body is not JSON: it has no NaN and no Infinity.")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedError("The body has a number that is too large to be one.")
    return number


def _whole_number(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise MalformedError("The body has a number that is too large to be one.")
    return int(text)


def _check(value: dict[str, Any]) -> None:
    """Look at every text and object, without recursion."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while waiting:
        place, one = waiting.pop()
        if len(place) > _MAX_DEPTH:
            raise _refused("json_depth", _TOO_DEEP, _FLATTEN, place[:_MAX_DEPTH])
        if isinstance(one, _Twice):
            raise _refused("json_name_twice", "a name comes twice in it", "Say it once.", place)
        if isinstance(one, str):
            _check_text(one, place)
        for name, part in _parts(one):
            _check_text(name, place)
            waiting.append(((*place, name), part))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(number), part) for number, part in enumerate(value))


def _check_text(text: str, place: tuple[str, ...]) -> None:
    if "\0" in text:
        raise _refused(
            "text_nul", "it holds a NUL character, which no text may have", "Leave it out.", place
        )
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise _refused(
                "text_surrogate", "it holds half of a character", _WHOLE, place
            ) from None


def _refused(code: str, reason: str, hint: str, place: tuple[str, ...] = ()) -> InvalidInputError:
    return InvalidInputError(Problem(to_pointer(place), code, reason, hint))


def to_pointer(tokens: Iterable[str]) -> str:
    """Return the JSON pointer of a place; that of the whole is empty."""
    escaped = (token[:_MAX_TOKEN].replace("~", "~0").replace("/", "~1") for token in tokens)
    return "".join(f"/{token}" for token in escaped)
