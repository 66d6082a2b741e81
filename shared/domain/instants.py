"""Instants as people write them."""

from datetime import UTC, datetime

from shared.errors import InvalidInputError, Problem

# Zones, spread and blackout windows may look further than the instant itself.
_YEARS = range(2, 9_998)


def parse_instant(text: str, field: str = "at") -> datetime:
    """Return the aware instant that a person wrote, in UTC.

    Raises `InvalidInputError` (instant_form) for `field`, also for one without a time zone.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _refusal(field, f"{text[:40]!r} is not an instant") from None
    if instant.utcoffset() is None:
        raise _refusal(field, f"{text[:40]!r} names no time zone")
    if instant.year not in _YEARS:
        raise _refusal(field, f"{text[:40]!r} is beyond the calendar")
    return instant.astimezone(UTC)


def _refusal(field: str, reason: str) -> InvalidInputError:
    hint = "Write it in UTC, as 2026-12-01T02:00Z (in a URL, + is written %2B)."
    return InvalidInputError(Problem(field, "instant_form", reason, hint))
