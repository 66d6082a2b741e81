"""Cron expressions in the meaning of Debian's `man 5 crontab`: what is legal, and its fields.

croniter reads the fields, but it also reads what people did not mean (`jan-jan` as the whole
year, `fri-mon`, `*/90`, seconds, chance). So every term is checked before it gets there.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from croniter import croniter

from shared.domain.cron_fields import LONGEST_MONTH, SHORTEST_MONTH, CronFields
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError

MAX_EXPRESSION_CHARS = 100

_EXAMPLE = "Write minute, hour, day of month, month, day of week: `30 2 * * 1-5`."
_TERMS = (
    "Use numbers, names, `*`, lists (1,2), ranges (1-5) and steps (*/15);"
    " L as the last day of the month, MON#2 as the second Monday."
)
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_UNPRINTABLE = re.compile(r"[^\t -~]")
_TERM = re.compile(r"(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?")
_NTH = re.compile(r"([0-9a-z]+)#([1-5])")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    size: int
    """How many values there are: the largest step that still says something."""
    names: Mapping[str, int] = field(default_factory=dict[str, int])


def _numbered(names: str, start: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), start)}


_DAY = _Field("day of month", 1, 31, 31)
_WEEKDAY = _Field("day of week", 0, 7, 7, _numbered("sun mon tue wed thu fri sat", 0))
_FIELDS = (
    _Field("minute", 0, 59, 60),
    _Field("hour", 0, 23, 24),
    _DAY,
    _Field("month", 1, 12, 12, _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1)),
    _WEEKDAY,
)


@lru_cache(maxsize=4096)
def canonical_cron(expression: str) -> str:
    """Return the expression as five lower-case fields; raise `RecurrenceError` if it is illegal."""
    _check_characters(expression)
    words = expression.lower().split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0] not in _ALIASES:
            hint = f"Use one of {', '.join(_ALIASES)}."
            raise _refusal(RecurrenceCode.CRON_UNKNOWN_SYNTAX, f"{words[0]} is not known", hint)
        return _ALIASES[words[0]]
    if len(words) != len(_FIELDS):
        reason = f"it has {len(words)} fields instead of five"
        raise _refusal(RecurrenceCode.CRON_FIVE_FIELDS, reason, _EXAMPLE)
    text = " ".join(
        ",".join(_checked_term(kind, term) for term in word.split(","))
        for kind, word in zip(_FIELDS, words, strict=True)
    )
    if not compile_cron(text).fires_every_decade():
        raise _refusal(
            RecurrenceCode.CRON_NEVER_FIRES,
            "it has no date for ten years or more",
            "Choose days that the months have, such as L for the last day.",
        )
    return text


@lru_cache(maxsize=4096)
def compile_cron(canonical: str) -> CronFields:
    """Return the fields of an expression that `canonical_cron` returned."""
    minute, hour, day, month, weekday = canonical.split(" ")
    plain = ",".join(term for term in weekday.split(",") if "#" not in term)
    nth = ",".join(term for term in weekday.split(",") if "#" in term)
    # croniter takes plain weekdays and `MON#2` each alone, but not in one list.
    values, _ = croniter.expand(f"{minute} {hour} {day} {month} {plain or '*'}")
    _, nth_weekdays = croniter.expand(f"* * * * {nth or '*'}")
    days = _Days(
        days=_mask(values[2], _DAY),
        last_day="l" in values[2],
        weekdays=_mask(values[4], _WEEKDAY) if plain else 0,
        nth_weekdays=frozenset(
            (int(number), int(which)) for number, all_of in nth_weekdays.items() for which in all_of
        ),
        both=day.startswith("*") or weekday.startswith("*"),
    )
    return CronFields(
        minutes=_mask(values[0], _FIELDS[0]),
        hours=_mask(values[1], _FIELDS[1]),
        months=_mask(values[3], _FIELDS[3]),
        days=days.table(),
        keeps_cadence=minute.startswith("*") or hour.startswith("*"),
    )


@dataclass(frozen=True, slots=True)
class _Days:
    days: int
    last_day: bool
    weekdays: int
    """Mask of weekdays, Sunday 0."""
    nth_weekdays: frozenset[tuple[int, int]]
    """(weekday, which one of the month)."""
    both: bool
    """A day must match both fields, not one of them: one starts with `*`."""

    def table(self) -> tuple[tuple[int, ...], ...]:
        """Return the masks of matching days by weekday of the first (Monday 0) and length."""
        return tuple(self._by_length(first_weekday) for first_weekday in range(7))

    def _by_length(self, first_weekday: int) -> tuple[int, ...]:
        by_weekday = 0
        for day in range(1, LONGEST_MONTH + 1):
            weekday = (first_weekday + day) % 7
            if self.weekdays >> weekday & 1 or (weekday, (day + 6) // 7) in self.nth_weekdays:
                by_weekday |= 1 << day
        masks: list[int] = []
        for length in range(SHORTEST_MONTH, LONGEST_MONTH + 1):
            by_day = self.days | (1 << length if self.last_day else 0)
            matching = by_day & by_weekday if self.both else by_day | by_weekday
            masks.append(matching & ((2 << length) - 2))
        return tuple(masks)


def _check_characters(expression: str) -> None:
    if len(expression) > MAX_EXPRESSION_CHARS:
        reason = f"it has {len(expression)} characters, more than {MAX_EXPRESSION_CHARS}"
        raise _refusal(RecurrenceCode.CRON_TOO_LONG, reason, "Use ranges and steps, not lists.")
    if not expression.isascii():
        reason = "it has characters that are not ASCII"
        raise _refusal(RecurrenceCode.CRON_ASCII_ONLY, reason, _TERMS)
    if _UNPRINTABLE.search(expression):
        reason = "it has line breaks or control characters"
        raise _refusal(RecurrenceCode.CRON_UNKNOWN_SYNTAX, reason, _EXAMPLE)


def _checked_term(kind: _Field, term: str) -> str:
    """Return one item of a field's list in the spelling that croniter reads as Debian does."""
    if kind is _DAY and term == "l":
        return term
    nth = _NTH.fullmatch(term) if kind is _WEEKDAY else None
    if nth is not None:
        return f"{_value(kind, nth[1])}#{nth[2]}"
    found = _TERM.fullmatch(term)
    if found is None:
        raise _unknown(kind, term)
    first, last, step = found.groups()
    if step is not None:
        _check_step(kind, int(step))
    if first is None:
        return term
    low = _value(kind, first)
    if last is None:
        return term
    high = _value(kind, last)
    # Equal names are refused too: croniter reads `jan-jan` as every month, others as January.
    if low > high or (low == high and not first.isdecimal()):
        raise _refusal(
            RecurrenceCode.CRON_REVERSED_RANGE,
            f"the range {term} of the {kind.name} does not run forward",
            "Write a list of two ranges, such as 22-23,0-2, or a single value; Sunday is 0 and 7.",
        )
    return str(low) if low == high else term


def _check_step(kind: _Field, step: int) -> None:
    if step == 0:
        reason = f"the step of the {kind.name} is 0"
        raise _refusal(RecurrenceCode.CRON_FIELD_RANGE, reason, f"Use 1 to {kind.size}.")
    if step > kind.size:
        reason = f"the step {step} is larger than the {kind.name}, which has {kind.size} values"
        raise _refusal(RecurrenceCode.CRON_STEP_TOO_LARGE, reason, f"Use 1 to {kind.size}.")


def _value(kind: _Field, text: str) -> int:
    if not text.isdecimal():
        if text not in kind.names:
            raise _unknown(kind, text)
        return kind.names[text]
    value = int(text)
    if not kind.low <= value <= kind.high:
        raise _refusal(
            RecurrenceCode.CRON_FIELD_RANGE,
            f"{text} is not a {kind.name}",
            f"Use {kind.low} to {kind.high}.",
        )
    return value


def _mask(values: Iterable[int | str], kind: _Field) -> int:
    mask = 0
    for value in values:
        if isinstance(value, int):
            mask |= 1 << value
        elif value == "*":
            mask |= (2 << kind.high) - (1 << kind.low)
    return mask


def _unknown(kind: _Field, term: str) -> RecurrenceError:
    reason = f"`{term}` is not understood in the {kind.name}"
    return _refusal(RecurrenceCode.CRON_UNKNOWN_SYNTAX, reason, _TERMS)


def _refusal(code: RecurrenceCode, reason: str, hint: str) -> RecurrenceError:
    return RecurrenceError("cron_expression", code, reason, hint)
