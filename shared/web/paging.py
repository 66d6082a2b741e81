"""Keyset pages: a limit and an opaque cursor."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Any

from flask import request

from shared.errors import InvalidInputError, Problem
from shared.store.rows import Row

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200
_LIMIT_FORM = re.compile(r"[0-9]{1,3}")
_KEY_BYTES = 8
_LARGEST_FIRST_BYTE = 0x7F


def page_limit() -> int:
    """Return the `limit` of the request, 1 to 200."""
    text = request.args.get("limit", str(_DEFAULT_LIMIT))
    if not (_LIMIT_FORM.fullmatch(text) and 1 <= int(text) <= _MAX_LIMIT):
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
        key = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        key = b""
    # A key is a positive bigint: eight bytes of which the first bit is not set.
    if len(key) != _KEY_BYTES or key[0] > _LARGEST_FIRST_BYTE:
        raise InvalidInputError(
            Problem("cursor", "cursor_form", "it is not a cursor", "Use `next_cursor` as it came.")
        )
    return int.from_bytes(key, "big")


def page(
    rows: Sequence[Row], limit: int, present: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """Return a page of rows read with `limit + 1`, and the cursor of the next one."""
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = _encode(shown[-1]["id"]) if more else None
    return {"items": [present(row) for row in shown], "next_cursor": cursor}


def _encode(key: int) -> str:
    return base64.urlsafe_b64encode(key.to_bytes(_KEY_BYTES, "big")).decode()
