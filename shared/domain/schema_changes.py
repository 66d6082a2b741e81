"""Changes of a dataset's columns as the metadata of a run tell them, over all of its slices."""

from collections.abc import Mapping, Sequence
from typing import Any

MOST_CHANGES = 100
"""How many changes of columns a run tells; each is in the log as well."""

_CHANGES = "schema_changes"
_LEFT_OUT = "schema_changes_left_out"


def told_changes(changes: Sequence[Any], left_out: int) -> Mapping[str, object]:
    """Return what the metadata say of the changes, ready for JSON; nothing if there are none."""
    if not changes:
        return {}
    return {_CHANGES: changes} | ({_LEFT_OUT: left_out} if left_out else {})


def changes_together(before: Mapping[str, Any], after: Mapping[str, Any]) -> Mapping[str, object]:
    """Return what the metadata of two slices say of changes, as that of one.

    A change that a slice tells again, since it was done again, is told once.
    """
    earlier = before.get(_CHANGES, [])
    changes = [*earlier, *(change for change in after.get(_CHANGES, []) if change not in earlier)]
    left_out = before.get(_LEFT_OUT, 0) + after.get(_LEFT_OUT, 0)
    return told_changes(changes[:MOST_CHANGES], left_out + len(changes[MOST_CHANGES:]))
