"""How long a provider asks to be left alone: what its Retry-After header says."""

import re
from datetime import UTC, datetime, timedelta

LONGEST_RETRY_AFTER = timedelta(hours=24)
"""What a longer wait is cut to."""

_LONGEST_TEXT = 100
_SECONDS = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_DAY = r"(?P<day>[ \d]?\d)"
_YEAR = r"(?P<year>\d{4}|\d\d)"
_MONTH = "(?P<month>[a-z]{3})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        # Sun, 06 Nov 1994 08:49:37 GMT, and Sunday, 06-Nov-94 08:49:37 GMT
        rf"[a-z]{{3,9}}, ?{_DAY}[ -]{_MONTH}[ -]{_YEAR} {_TIME} (?:GMT|UTC|[+-]0000)",
        # Sun Nov  6 08:49:37 1994
        rf"[a-z]{{3}} {_MONTH} {_DAY} {_TIME} {_YEAR}",
    )
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LEAP_SECOND = 60


def parse_retry_after(value: str, now: datetime) -> timedelta | None:
    """Return the wait that the header asks for, from zero to `LONGEST_RETRY_AFTER`.

    None if the text is no Retry-After (RFC 9110, 10.2.3). Read beyond the grammar: fractions of a
    second, and negative numbers, which come from a server's own subtraction and, like a date that
    is past, are no wait. `now` is aware; a date is read against it.
    """
    text = value.strip(" \t")
    if len(text) > _LONGEST_TEXT:
        return None
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=min(max(float(text), 0), LONGEST_RETRY_AFTER.total_seconds()))
    at = parse_http_date(text, now)
    return None if at is None else min(max(at - now, timedelta(0)), LONGEST_RETRY_AFTER)


def parse_http_date(value: str, now: datetime) -> datetime | None:
    """Return the instant of an HTTP-date in any of its three forms (RFC 9110, 5.6.7), or None.

    A year of two digits is the nearest to `now`: at most 50 years back, 49 ahead.
    """
    text = value.strip(" \t")
    found = next((match for form in _DATES if (match := form.fullmatch(text))), None)
    if found is None or found["month"].lower() not in _MONTHS:
        return None
    second = int(found["second"])
    try:
        return datetime(
            _year(found["year"], now),
            _MONTHS.index(found["month"].lower()) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            second - 1 if second == _LEAP_SECOND else second,
            tzinfo=UTC,
        )
    except ValueError:
        return None


def _year(digits: str, now: datetime) -> int:
    if len(digits) > len("94"):
        return int(digits)
    earliest = now.year - 50
    return earliest + (int(digits) - earliest) % 100
