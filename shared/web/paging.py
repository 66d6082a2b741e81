"""Keyset pages: rows read with one more than the limit, and the cursor of the next page."""

from collections.abc import Callable, Sequence
from typing import Any

from shared.store.rows import Row
from shared.web.cursors import encode_cursor


def page(
    rows: Sequence[Row], limit: int, present: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """Return a page of rows read with `limit + 1`, and the cursor of the next one."""
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = encode_cursor(shown[-1]["id"]) if more else None
    return {"items": [present(row) for row in shown], "next_cursor": cursor}
