"""Reads the schedule of a job: unix-cron in a time zone, as a recurrence of the product."""

import re

from infra.local.emulator.errors import ApiError, invalid
from shared.domain.recurrence import Recurrence
from shared.errors import RecurrenceError

_FIELD_COUNT = 5
# Words of English schedules and of recurrences that unix-cron does not have.
_NO_UNIX_CRON = re.compile(r"[@#]|(?:^|[\s,])l(?:$|[\s,])", re.IGNORECASE)


def recurrence_of(schedule: str, time_zone: str) -> Recurrence:
    """Return when a job fires; refuse with INVALID_ARGUMENT what is no unix-cron or no zone."""
    if len(schedule.split()) != _FIELD_COUNT or _NO_UNIX_CRON.search(schedule):
        raise _refusal(
            "Give the five fields of unix-cron: minute, hour, day of month, month, day of week,"
            " without @, # and L. English schedules such as 'every 5 minutes' are not served:"
            " use '*/5 * * * *'."
        )
    zone = "UTC" if time_zone.lower() == "utc" else time_zone
    try:
        return Recurrence.from_cron(schedule, zone)
    except RecurrenceError as error:
        raise _refusal(f"{error}. {error.hint}") from error


def _refusal(reason: str) -> ApiError:
    return invalid(f"Schedule or time zone is invalid. {reason}")
