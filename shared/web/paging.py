"""Keyset pages: a limit and an opaque cursor."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from flask import request

from shared.errors import InvalidInputError, Problem
from shared.store.rows import Row

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200


def page_limit() -> int:
    """Return the `limit` of the request, 1 to 200."""
    text = request.args.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= _MAX_LIMIT):
        raise InvalidInputError(
            Problem("limit", "limit_range", f"{text[:20]!r} is not 1 to {_MAX_LIMIT}")
        )
    return int(text)


def page_cursor() -> int | None:
    """Return the internal key that the `cursor` of the request stands for, or None."""
    text = request.args.get("cursor")
    if text is None:
        return None
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text.encode("ascii")), "big", signed=False)
    except (ValueError, binascii.Error):
        raise InvalidInputError(
            Problem("cursor", "cursor_form", "it is not a cursor", "Use `next_cursor` as it came.")
        ) from None


def page(
    rows: Sequence[Row], limit: int, present: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """Return a page of rows read with `limit + 1`, and the cursor of the next one."""
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = _encode(shown[-1]["id"]) if more else None
    return {"items": [present(row) for row in shown], "next_cursor": cursor}


def _encode(key: int) -> str:
    return base64.urlsafe_b64encode(key.to_bytes(8, "big")).decode()
