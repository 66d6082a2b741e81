"""The mark of a variant: a comment on a dataset's column that says whose values it holds.

Nothing is guessed from names, since a source may have a column of any name.
"""

import json
from json import JSONDecoder
from typing import cast

_SIGN = "syncline:variant "


def write_mark(source: str) -> str:
    """Return the comment on a variant of the source column."""
    return (
        "Values that its source brought in another type than the column beside it has."
        f" {_SIGN}{json.dumps({'of': source})}"
    )


def read_mark(comment: str | None) -> str | None:
    """Return the source column that a column's comment names, None if it has no mark.

    Anything may stand before and behind the mark: a person may have added to the comment.
    """
    _, sign, rest = (comment or "").partition(_SIGN)
    if not sign:
        return None
    try:
        mark: object = JSONDecoder().raw_decode(rest)[0]
    except (ValueError, RecursionError):
        return None
    source = cast("dict[str, object]", mark).get("of") if isinstance(mark, dict) else None
    return source if isinstance(source, str) else None
