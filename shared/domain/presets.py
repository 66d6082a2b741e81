"""Hourly, daily, weekly and monthly recurrences, translated to cron."""

import re

from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
"""The names of the weekdays in cron's order: Sunday is 0."""
LAST_DAY_OF_EVERY_MONTH = 28

_PRESETS = ("hourly", "daily", "weekly", "monthly")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def preset_to_cron(
    *,
    frequency: str,
    preferred_time: str | None,
    preferred_day_of_week: str | None,
    preferred_day_of_month: int | None,
) -> str:
    """Return the cron expression of a preset; raise `RecurrenceError` for what does not fit it."""
    if frequency not in _PRESETS:
        raise RecurrenceError(
            "frequency",
            RecurrenceCode.FREQUENCY,
            f"{frequency[:50]!r} has no preset times",
            f"Use one of {', '.join(_PRESETS)}.",
        )
    hour, minute = _hour_and_minute(frequency, preferred_time)
    weekday = _weekday(frequency, preferred_day_of_week)
    day = _day_of_month(frequency, preferred_day_of_month)
    return f"{minute} {hour} {day} * {weekday}"


def _hour_and_minute(frequency: str, preferred_time: str | None) -> tuple[str, int]:
    if frequency == "hourly" and preferred_time is None:
        return "*", 0
    found = None if preferred_time is None else _TIME.fullmatch(preferred_time)
    if found is None:
        reason = "it is missing" if preferred_time is None else "it is not a time of day"
        raise RecurrenceError(
            "preferred_time",
            RecurrenceCode.PREFERRED_TIME,
            reason,
            "Write hours and minutes with two digits each, 00:00 to 23:59.",
        )
    return "*" if frequency == "hourly" else str(int(found[1])), int(found[2])


def _weekday(frequency: str, name: str | None) -> str:
    field = "preferred_day_of_week"
    if frequency == "weekly":
        if name not in WEEKDAYS:
            reason = "a weekly schedule needs a day of the week"
            hint = f"Use one of {', '.join(WEEKDAYS)}."
            raise RecurrenceError(field, RecurrenceCode.WEEKLY_DAY, reason, hint)
        return str(WEEKDAYS.index(name))
    if name is not None:
        monthly = frequency == "monthly"
        code = RecurrenceCode.MONTHLY_DAY if monthly else RecurrenceCode.DAY_OF_WEEK_UNUSED
        reason = f"a {frequency} schedule does not use a day of the week"
        raise RecurrenceError(field, code, reason, "Leave it out.")
    return "*"


def _day_of_month(frequency: str, day: int | None) -> str:
    field = "preferred_day_of_month"
    if frequency == "monthly":
        hint = f"Use 1 to {LAST_DAY_OF_EVERY_MONTH}, which every month has."
        if day is None:
            reason = "a monthly schedule needs a day of the month"
            raise RecurrenceError(field, RecurrenceCode.MONTHLY_DAY, reason, hint)
        if not 1 <= day <= LAST_DAY_OF_EVERY_MONTH:
            reason = f"not every month has a day {day}"
            raise RecurrenceError(field, RecurrenceCode.DAY_OF_MONTH_RANGE, reason, hint)
        return str(day)
    if day is not None:
        weekly = frequency == "weekly"
        code = RecurrenceCode.WEEKLY_DAY if weekly else RecurrenceCode.DAY_OF_MONTH_UNUSED
        reason = f"a {frequency} schedule does not use a day of the month"
        raise RecurrenceError(field, code, reason, "Leave it out.")
    return "*"
