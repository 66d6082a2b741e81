"""Reports: the period that one is about, its identity, and what may become of it."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.local_time import change_at

RECEIPTS_TABLE = "report_receipt"
"""Where the dataset of a connector that reports keeps what became of each report."""

_MONTHS_A_YEAR = 12
_DAY = timedelta(days=1)


class PeriodUnit(StrEnum):
    """How long a reporting period is; each begins with a month."""

    MONTH = "month"
    QUARTER = "quarter"
    TERTIAL = "tertial"
    HALF_YEAR = "half_year"
    YEAR = "year"

    @property
    def months(self) -> int:
        """Return how many months a period has."""
        return _MONTHS[self]


_MONTHS = {
    PeriodUnit.MONTH: 1,
    PeriodUnit.QUARTER: 3,
    PeriodUnit.TERTIAL: 4,
    PeriodUnit.HALF_YEAR: 6,
    PeriodUnit.YEAR: 12,
}
_LETTERS = {PeriodUnit.QUARTER: "Q", PeriodUnit.TERTIAL: "T", PeriodUnit.HALF_YEAR: "H"}
_LABEL = re.compile(r"(?P<year>[12]\d{3})(?:-(?P<letter>[QTH])?(?P<number>\d{1,2}))?", re.ASCII)


class ReportState(StrEnum):
    """State of one report, or of one correction of it.

    - WAITING: nothing of it has arrived, and the next run sends it. Set by a person who asks for a
      correction or for another try, and by a run whose request was not taken.
    - SENDING: it may be on its way, or have arrived. Set by a run before its request.
    - ACCEPTED: it arrived. Set by a run, or by a person who was told so.
    - REFUSED: it arrived and was not taken. Set by a run; a correction may follow.
    - UNKNOWN: nobody here can know whether it arrived, and a repeat might count twice. Set by a
      run; ended by a person.
    """

    WAITING = "waiting"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Settlement(StrEnum):
    """What a person found out about a report of which it was not known whether it arrived."""

    ARRIVED = "arrived"
    SEND_AGAIN = "send_again"


class Step(StrEnum):
    """What a run does about a period."""

    SEND = "send"
    NOTHING = "nothing"
    TELL_REFUSED = "tell_refused"
    TELL_UNKNOWN = "tell_unknown"


@dataclass(frozen=True, slots=True)
class Period:
    """A reporting period: whole months of a calendar."""

    unit: PeriodUnit
    first_day: date

    @property
    def end_day(self) -> date:
        """Return the first day that is not in the period any more."""
        return _first_day(_index(self.first_day, self.unit) + 1, self.unit)

    @property
    def last_day(self) -> date:
        """Return the last day of the period."""
        return self.end_day - _DAY

    @property
    def label(self) -> str:
        """Return its name: `2026-03`, `2026-Q1`, `2026-T1`, `2026-H1` or `2026`."""
        year, number = self.first_day.year, (self.first_day.month - 1) // self.unit.months + 1
        match self.unit:
            case PeriodUnit.YEAR:
                return f"{year:04}"
            case PeriodUnit.MONTH:
                return f"{year:04}-{number:02}"
            case _:
                return f"{year:04}-{_LETTERS[self.unit]}{number}"

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return its first instant in a zone, and the first one after it, in UTC."""
        return _start_of(self.first_day, zone), _start_of(self.end_day, zone)


def period_before(at: datetime, zone: ZoneInfo, unit: PeriodUnit) -> Period:
    """Return the last period that was over at an aware instant, by the calendar of the zone."""
    return Period(unit, _first_day(_index(at.astimezone(zone).date(), unit) - 1, unit))


def parse_period(label: str) -> Period:
    """Return the period of this name; raise `ValueError` if there is none."""
    found = _LABEL.fullmatch(label)
    if found is None:
        raise ValueError("write it as 2026-03, 2026-Q1, 2026-T1, 2026-H1 or 2026")
    letter, number = found["letter"], int(found["number"] or 1)
    letters = {letter: unit for unit, letter in _LETTERS.items()}
    without = PeriodUnit.YEAR if found["number"] is None else PeriodUnit.MONTH
    unit = without if letter is None else letters[letter]
    if not 1 <= number <= _MONTHS_A_YEAR // unit.months:
        raise ValueError(f"a year has {_MONTHS_A_YEAR // unit.months} such periods, from 1 on")
    period = Period(unit, date(int(found["year"]), (number - 1) * unit.months + 1, 1))
    if period.label != label:
        raise ValueError(f"write it as {period.label}")
    return period


def report_key(connector: UUID, period: str, correction: int) -> str:
    """Return the idempotency key of a report; `correction` is 0 for the first of its period."""
    return f"{connector}:{period}:{correction}"


def decide_step(state: ReportState | None, *, honours_key: bool) -> Step:
    """Decide what a run does about a period, of which `state` is that of its newest report.

    `honours_key` tells that whoever receives it takes a repeat with the same key for the same.
    """
    match state:
        case None | ReportState.WAITING:
            return Step.SEND
        case ReportState.SENDING:
            return Step.SEND if honours_key else Step.TELL_UNKNOWN
        case ReportState.ACCEPTED:
            return Step.NOTHING
        case ReportState.REFUSED:
            return Step.TELL_REFUSED
        case ReportState.UNKNOWN:
            return Step.TELL_UNKNOWN


def _index(day: date, unit: PeriodUnit) -> int:
    return (day.year * _MONTHS_A_YEAR + day.month - 1) // unit.months


def _first_day(index: int, unit: PeriodUnit) -> date:
    year, month = divmod(index * unit.months, _MONTHS_A_YEAR)
    return date(year, month + 1, 1)


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day, which is midnight unless the clock skips it."""
    midnight = datetime.combine(day, time())
    change = change_at(midnight, zone)
    if change is not None and change.skips:
        return change.at
    return midnight.replace(tzinfo=zone).astimezone(UTC)
