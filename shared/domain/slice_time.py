"""How much of a slice's time is for reading: what was read has to be loaded in the rest."""

from collections.abc import Mapping
from datetime import timedelta

FIRST_SHARE = 0.15
"""Of the first slice of a run: preparing and loading may take several times as long as reading."""
MOST = 0.6
_MARGIN = 0.8


def reading_time(whole: timedelta, attempt: int, facts: Mapping[str, object]) -> timedelta:
    """Return how long a slice of `whole` may read.

    `facts` are those of the run's slices before: `extract_ms` and `load_ms` say how much of a slice
    reading was. Each failure (`attempt` is 1 for the first try) halves the time, so that a slice
    which was too large for its task becomes one that is not.
    """
    return whole * (_share(facts) / 2 ** (attempt - 1))


def _share(facts: Mapping[str, object]) -> float:
    read, loaded = facts.get("extract_ms"), facts.get("load_ms")
    if not isinstance(read, int) or not isinstance(loaded, int) or read <= 0 or loaded < 0:
        return FIRST_SHARE
    return min(MOST, _MARGIN * read / (read + loaded))
