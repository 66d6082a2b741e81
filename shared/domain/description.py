"""Cron fields in words: one English sentence that is true for our meaning of cron.

The words are cron-descriptor's where they are true and clear. It describes the spelling of a field,
and some spellings mislead it: `*/7` minutes are not every 7 minutes, `*/2` days not every 2 days,
hours in a list last until :59. So each field's values are spelled anew, in a way that it describes
well, and what has no such way is said in our own words.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import groupby, pairwise

from shared.domain.cron import compile_cron
from shared.domain.cron_fields import LONGEST_MONTH, SHORTEST_MONTH

_FEW = 6
"""Up to so many times or days are listed; more are said as a rule if there is one."""

_SHORTEST_RUN = 3
"""From so many neighbours on, a range is said instead of a list."""

_MINUTES_OF_AN_HOUR = 60
_HOURS_OF_A_DAY = 24
_MONTHS = 12
_WEEKDAYS = 7
_MONDAY_FIRST = 0
_FIRST_SEVEN_DAYS = 0b1111_1110
_ORDINALS = {2: "2nd", 3: "3rd", 4: "4th", 5: "5th"}


class _Part(IntEnum):
    """A field of an expression, at its place, under cron-descriptor's name for it."""

    MINUTES = 0
    HOURS = 1
    DAYOFMONTH = 2
    MONTH = 3
    DAYOFWEEK = 4


@lru_cache(maxsize=4096)
def describe_cron(canonical: str) -> str:
    """Return an expression that `canonical_cron` returned as a sentence on a 24-hour clock.

    Such as "At 02:00, Monday through Friday"; the sentence has no full stop.
    """
    _, _, day, _, weekday = canonical.split(" ")
    fields = compile_cron(canonical)
    time = _time(_values(fields.minutes), _values(fields.hours))
    phrases = [time, _days(day, weekday), _months(_values(fields.months))]
    sentence = ", ".join(phrase for phrase in phrases if phrase)
    return sentence[0].upper() + sentence[1:]


def listed(items: Sequence[str]) -> str:
    """Return the items as a list in a sentence: "1", "1 and 2", "1, 2, and 3"."""
    *others, last = items
    if not others:
        return last
    return f"{', '.join(others)}{',' if len(others) > 1 else ''} and {last}"


def _time(minutes: Sequence[int], hours: Sequence[int]) -> str:
    if len(hours) == _HOURS_OF_A_DAY:
        return _minutes(minutes)
    step = _even_step(hours)
    few = len(minutes) * len(hours) <= _FEW
    if few or (len(minutes) == 1 and step is None):
        return f"at {listed([_clock(hour, minute) for hour in hours for minute in minutes])}"
    if len(minutes) == 1:
        every = "every hour" if step == 1 else f"every {step} hours"
        first, last = _clock(hours[0], minutes[0]), _clock(hours[-1], minutes[0])
        return f"{every} from {first} through {last}"
    return f"{_minutes(minutes)}, {_hours(hours)}"


def _minutes(minutes: Sequence[int]) -> str:
    if minutes == [0]:
        return "every hour"
    if minutes == [1]:
        return "at 1 minute past the hour"
    step = _even_step(minutes)
    if step is not None and minutes[0] == 0 and step * len(minutes) == _MINUTES_OF_AN_HOUR:
        spelling = f"*/{step}"
    elif step not in (None, 1) and len(minutes) > _FEW:
        spelling = f"{minutes[0]}-{minutes[-1]}/{step}"
    else:
        spelling = _spelled(minutes)
    return _words(_Part.MINUTES, spelling)


def _hours(hours: Sequence[int]) -> str:
    if len(hours) == 1 or _even_step(hours) == 1:
        return _words(_Part.HOURS, f"{hours[0]}-{hours[-1]}")
    return f"during hours {listed([run.replace('-', ' through ') for run in _runs(hours)])}"


def _days(day: str, weekday: str) -> str:
    dates, weekdays = _dates(day), _weekdays(weekday)
    on_weekdays = " or ".join(_on(phrase) for phrase in weekdays)
    if not (day.startswith("*") or weekday.startswith("*")):
        return f"{' or '.join(dates)} or {on_weekdays}" if dates and weekdays else ""
    if dates and weekdays:
        return f"{' or '.join(dates)}, if it falls {on_weekdays}"
    return weekdays[0] if len(weekdays) == 1 else on_weekdays or " or ".join(dates)


def _dates(field: str) -> list[str]:
    """Return the kinds of days of the month that match, or nothing when all of them do."""
    terms = field.split(",")
    plain = ",".join(term for term in terms if term != "l")
    phrases = ["on the last day of the month"] if "l" in terms else []
    if not plain:
        return phrases
    longest = compile_cron(f"0 0 {plain} * *").days[_MONDAY_FIRST][LONGEST_MONTH - SHORTEST_MONTH]
    days = _values(longest)
    if len(days) == LONGEST_MONTH:
        return []
    step = _even_step(days)
    if step in _ORDINALS and len(days) > _FEW:
        every = f"on every {_ORDINALS[step]} day of the month"
        return [f"{every} from day {days[0]} through {days[-1]}", *phrases]
    return [_words(_Part.DAYOFMONTH, _spelled(days)), *phrases]


def _weekdays(field: str) -> list[str]:
    """Return the kinds of days of the week that match, or nothing when all of them do."""
    terms = field.split(",")
    plain = ",".join(term for term in terms if "#" not in term)
    phrases = [_words(_Part.DAYOFWEEK, term) for term in terms if "#" in term]
    if not plain:
        return phrases
    # In a month that begins on a Monday the first seven days are the weekdays, Sunday last.
    first_days = compile_cron(f"0 0 * * {plain}").days[_MONDAY_FIRST][0] & _FIRST_SEVEN_DAYS
    weekdays = _values(first_days)
    if len(weekdays) == _WEEKDAYS:
        return []
    return [_words(_Part.DAYOFWEEK, _spelled(weekdays)), *phrases]


def _on(phrase: str) -> str:
    """Return a weekday phrase of cron-descriptor in the form that a sentence goes on with."""
    phrase = phrase.removeprefix("only ")
    return phrase if phrase.startswith("on ") else f"on {phrase}"


def _months(months: Sequence[int]) -> str:
    return "" if len(months) == _MONTHS else _words(_Part.MONTH, _spelled(months))


def _words(part: _Part, spelling: str) -> str:
    """Return what cron-descriptor says of one field."""
    # Only a person reads sentences; the dispatcher does not load what makes them.
    from cron_descriptor import (  # noqa: PLC0415 (as above)
        DescriptionTypeEnum,
        ExpressionDescriptor,
        Options,
    )

    fields = ["*"] * len(_Part)
    fields[part] = spelling
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    descriptor = ExpressionDescriptor(" ".join(fields), options)
    return descriptor.get_description(DescriptionTypeEnum[part.name]).removeprefix(", ")


def _values(mask: int) -> list[int]:
    return [value for value in range(mask.bit_length()) if mask >> value & 1]


def _even_step(values: Sequence[int]) -> int | None:
    """Return the distance between neighbours if it is the same for all, else None."""
    steps = {later - earlier for earlier, later in pairwise(values)}
    return steps.pop() if len(steps) == 1 else None


def _spelled(values: Sequence[int]) -> str:
    return ",".join(_runs(values))


def _runs(values: Sequence[int]) -> list[str]:
    """Return ascending values as ranges such as `1-5` and single ones such as `7`."""
    runs: list[str] = []
    for _, neighbours in groupby(enumerate(values), lambda pair: pair[1] - pair[0]):
        run = [value for _, value in neighbours]
        runs += [f"{run[0]}-{run[-1]}"] if len(run) >= _SHORTEST_RUN else map(str, run)
    return runs


def _clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"
