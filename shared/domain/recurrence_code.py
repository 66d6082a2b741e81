"""The codes of everything that can be wrong with a recurrence."""

from enum import StrEnum


class RecurrenceCode(StrEnum):
    """The rule that a recurrence breaks; stable, for the API, the dashboard and the logs."""

    FREQUENCY = "valid_frequency_enum"
    PREFERRED_TIME = "preferred_time_format"
    TIMEZONE = "valid_iana_timezone"
    DAY_OF_MONTH_RANGE = "day_of_month_range"
    WEEKLY_DAY = "weekly_requires_day_of_week"
    """Weekly: a day of the week is there and is a weekday's name; a day of the month is not."""
    MONTHLY_DAY = "monthly_requires_day_of_month"
    """Monthly: a day of the month is there; a day of the week is not."""
    PREFERRED_TIME_UNUSED = "preferred_time_unused"
    DAY_OF_WEEK_UNUSED = "day_of_week_unused"
    DAY_OF_MONTH_UNUSED = "day_of_month_unused"
    CUSTOM_CRON = "custom_requires_cron"
    CRON_UNUSED = "cron_unused"
    CRON_TOO_LONG = "cron_too_long"
    CRON_ASCII_ONLY = "cron_ascii_only"
    CRON_FIVE_FIELDS = "cron_five_fields"
    CRON_UNKNOWN_SYNTAX = "cron_unknown_syntax"
    CRON_FIELD_RANGE = "cron_field_range"
    CRON_REVERSED_RANGE = "cron_reversed_range"
    CRON_STEP_TOO_LARGE = "cron_step_too_large"
    CRON_NEVER_FIRES = "cron_never_fires"
    CRON_TOO_FREQUENT = "cron_too_frequent"
