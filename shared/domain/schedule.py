"""A schedule as a value: when a connector is synced, and by which policies."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from shared.domain.blackout import BlackoutWindow
from shared.domain.recurrence import Recurrence
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError


class Frequency(StrEnum):
    """How often a connector is synced; MANUAL and REALTIME have no recurrence."""

    MANUAL = "manual"
    REALTIME = "realtime"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    CUSTOM = "custom"

    @property
    def has_recurrence(self) -> bool:
        """Tell whether the dispatcher plans periods for it."""
        return self not in (Frequency.MANUAL, Frequency.REALTIME)


class OverlapPolicy(StrEnum):
    """What becomes of a run whose time comes while the connector's last one is in progress."""

    SKIP = "skip"
    QUEUE_ONE = "queue_one"


class MissedRunPolicy(StrEnum):
    """What becomes of periods that passed while nobody planned them."""

    RUN_ONCE = "run_once"
    RUN_ALL = "run_all"
    SKIP = "skip"


class BlackoutPolicy(StrEnum):
    """What becomes of periods within a blackout window of the workspace."""

    SKIP = "skip"
    MOVE = "move"
    """The newest of them runs when the window ends."""


UNTIL_RESUMED = datetime(9999, 12, 31, tzinfo=UTC)
"""The `paused_until` of a pause that only a person ends."""


@dataclass(frozen=True, slots=True)
class RecurrenceFields:
    """The timing columns of a schedule, as a person set them."""

    frequency: Frequency
    timezone: str
    preferred_time: str | None = None
    preferred_day_of_week: str | None = None
    preferred_day_of_month: int | None = None
    cron_expression: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What planning needs to know of a schedule; all instants are aware and in UTC."""

    id: int
    workspace_id: int
    connector_id: int
    connector_public_id: UUID
    connector_is_usable: bool
    recurrence: RecurrenceFields
    missed_run_policy: MissedRunPolicy
    catch_up_window: timedelta
    spread: timedelta
    blackout_policy: BlackoutPolicy
    blackouts: tuple[BlackoutWindow, ...]
    """Of its workspace."""
    paused_until: datetime | None
    planned_through: datetime
    """The high-water mark: every period up to it has a run row."""


@lru_cache(maxsize=16_384)
def build_recurrence(fields: RecurrenceFields) -> Recurrence | None:
    """Return the recurrence that the fields name, or None for manual and realtime.

    Raises `RecurrenceError` when they name none.
    """
    match fields.frequency:
        case Frequency.MANUAL | Frequency.REALTIME:
            _refuse_unused(fields)
            return None
        case Frequency.CUSTOM:
            _refuse_unused(fields)
            if fields.cron_expression is None:
                raise RecurrenceError(
                    "cron_expression",
                    RecurrenceCode.CUSTOM_CRON,
                    "a custom schedule needs a cron expression",
                    "Write minute, hour, day of month, month, day of week: `30 2 * * 1-5`.",
                )
            return Recurrence.from_cron(fields.cron_expression, fields.timezone)
        case _:
            _refuse_cron(fields)
            return Recurrence.from_preset(
                frequency=fields.frequency.value,
                timezone=fields.timezone,
                preferred_time=fields.preferred_time,
                preferred_day_of_week=fields.preferred_day_of_week,
                preferred_day_of_month=fields.preferred_day_of_month,
            )


def unused_by(frequency: Frequency) -> tuple[str, ...]:
    """Return the names of the timing settings that a frequency has no use for."""
    return tuple(name for name, users in _USERS.items() if frequency not in users)


_USERS = {
    "preferred_time": (Frequency.HOURLY, Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY),
    "preferred_day_of_week": (Frequency.WEEKLY,),
    "preferred_day_of_month": (Frequency.MONTHLY,),
    "cron_expression": (Frequency.CUSTOM,),
}


def parse_frequency(text: str) -> Frequency:
    """Return the frequency of this name; raise `RecurrenceError` (valid_frequency_enum)."""
    try:
        return Frequency(text)
    except ValueError:
        raise RecurrenceError(
            "frequency",
            RecurrenceCode.FREQUENCY,
            f"{text[:50]!r} is not a frequency",
            f"Use one of {', '.join(Frequency)}.",
        ) from None


def _refuse_unused(fields: RecurrenceFields) -> None:
    for name, code in (
        ("preferred_time", RecurrenceCode.PREFERRED_TIME_UNUSED),
        ("preferred_day_of_week", RecurrenceCode.DAY_OF_WEEK_UNUSED),
        ("preferred_day_of_month", RecurrenceCode.DAY_OF_MONTH_UNUSED),
    ):
        if getattr(fields, name) is not None:
            what = name.removeprefix("preferred_").replace("_", " ")
            reason = f"a {fields.frequency} schedule does not use a preferred {what}"
            raise RecurrenceError(name, code, reason, "Leave it out.")
    if fields.frequency is not Frequency.CUSTOM:
        _refuse_cron(fields)


def _refuse_cron(fields: RecurrenceFields) -> None:
    if fields.cron_expression is not None:
        raise RecurrenceError(
            "cron_expression",
            RecurrenceCode.CRON_UNUSED,
            f"a {fields.frequency} schedule does not use a cron expression",
            "Leave it out, or use the frequency custom.",
        )
