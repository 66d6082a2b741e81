"""What a source answered: JSON, with its numbers exact."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from typing import Any

import requests
import simplejson
from jsonpath_ng.ext.parser import parse

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import TransientError

Record = dict[str, Any]

_SAFE_DIGITS = 4_000
"""Python reads no whole number of more digits than about this at once; a Decimal has no limit."""


def body_of(response: requests.Response) -> Any:
    """Return the JSON of a response, None if it says that there is nothing.

    Numbers with a point or an exponent are Decimals. Raises `TransientError` for what is not JSON:
    it is most often a page of a proxy, of maintenance, or a broken answer.
    """
    if response.status_code == HTTPStatus.NO_CONTENT:
        return None
    content = response.content
    if not content.strip():
        raise _unusable("an empty answer")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable("an answer that is not UTF-8") from None
    try:
        return read_json(text)
    except RecursionError:
        raise _unusable("an answer with too many levels") from None
    except ValueError:
        if text.lstrip().startswith("<"):
            raise _unusable("a web page instead of JSON") from None
        raise _unusable("an answer that is not whole JSON") from None


def read_json(text: str) -> Any:
    """Return what JSON says, its numbers exact; raise `ValueError` or `RecursionError`."""
    return simplejson.loads(text, use_decimal=True, parse_int=_whole)


def write_json(value: Any) -> str:
    """Return the JSON of what `read_json` read, with the same numbers."""
    return simplejson.dumps(value, use_decimal=True, ensure_ascii=False)


def is_object(record: object) -> bool:
    """Tell whether a record is one: what is none is rejected when it is loaded."""
    return isinstance(record, dict)


def matches(path: str, body: Any) -> Sequence[Any]:
    """Return the values at a JSONPath, in their order."""
    return [match.value for match in _compiled(path).find(body)]


@cache
def _compiled(path: str) -> Any:
    return parse(path)


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < _SAFE_DIGITS else Decimal(text)


def _unusable(what: str) -> TransientError:
    return TransientError(
        f"The source gave {what}. If it stays so, check the connector's settings.",
        code=Reason.SOURCE_UNAVAILABLE,
        fault=Fault.SCHEMA,
    )
