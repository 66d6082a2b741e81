"""Reporting periods: pure arithmetic of calendars and zones."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.local_time import load_zone
from shared.domain.reporting import (
    Period,
    PeriodUnit,
    ReportState,
    Step,
    decide_step,
    parse_period,
    period_before,
    report_key,
)

OSLO = load_zone("Europe/Oslo")
ZONES = ("UTC", "Europe/Oslo", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Kolkata")
INSTANTS = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def before(text: str, unit: PeriodUnit, zone: str = "Europe/Oslo") -> str:
    return period_before(datetime.fromisoformat(text), load_zone(zone), unit).label


@pytest.mark.parametrize(
    ("unit", "label", "first", "last"),
    [
        (PeriodUnit.MONTH, "2026-03", date(2026, 3, 1), date(2026, 3, 31)),
        (PeriodUnit.QUARTER, "2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        (PeriodUnit.TERTIAL, "2025-T3", date(2025, 9, 1), date(2025, 12, 31)),
        (PeriodUnit.HALF_YEAR, "2025-H2", date(2025, 7, 1), date(2025, 12, 31)),
        (PeriodUnit.YEAR, "2025", date(2025, 1, 1), date(2025, 12, 31)),
    ],
)
def test_the_period_before_an_instant_is_the_last_one_that_is_over(
    unit: PeriodUnit, label: str, first: date, last: date
) -> None:
    period = period_before(datetime(2026, 4, 15, tzinfo=UTC), OSLO, unit)
    assert (period.label, period.first_day, period.last_day) == (label, first, last)


def test_midnight_of_the_zone_decides_when_a_period_is_over() -> None:
    assert before("2026-03-31T21:59:59+00:00", PeriodUnit.MONTH) == "2026-02"
    assert before("2026-03-31T22:00:00+00:00", PeriodUnit.MONTH) == "2026-03"
    assert before("2026-03-31T22:00:00+00:00", PeriodUnit.MONTH, "UTC") == "2026-02"


def test_february_has_the_days_of_its_year() -> None:
    assert parse_period("2028-02").last_day == date(2028, 2, 29)
    assert parse_period("2026-02").last_day == date(2026, 2, 28)
    assert parse_period("2100-02").last_day == date(2100, 2, 28)


def test_a_month_in_which_the_clock_changes_is_an_hour_shorter_or_longer() -> None:
    def hours(label: str) -> float:
        start, end = parse_period(label).instants(OSLO)
        return (end - start) / timedelta(hours=1)

    assert (hours("2026-03"), hours("2026-10"), hours("2026-07")) == (743, 745, 744)


def test_a_day_whose_midnight_the_clock_skips_begins_after_the_gap() -> None:
    # Cuba's clocks went from 0:00 to 1:00 on 1 April 1990.
    start, _ = parse_period("1990-04").instants(load_zone("America/Havana"))
    assert start == datetime(1990, 4, 1, 5, tzinfo=UTC)
    assert start.astimezone(load_zone("America/Havana")).hour == 1


@given(INSTANTS, st.sampled_from(PeriodUnit), st.sampled_from(ZONES))
def test_every_instant_lies_in_the_period_after_the_one_before_it(
    instant: datetime, unit: PeriodUnit, zone_name: str
) -> None:
    zone = load_zone(zone_name)
    period = period_before(instant, zone, unit)
    following = Period(unit, period.end_day)

    start, end = period.instants(zone)
    assert start < end <= instant < following.instants(zone)[1]
    assert following.instants(zone)[0] == end
    assert parse_period(period.label) == period
    assert period.last_day + timedelta(days=1) == period.end_day
    months = (period.end_day.year - period.first_day.year) * 12
    assert months + period.end_day.month - period.first_day.month == unit.months
    assert period_before(end, zone, unit) == period
    assert period_before(end - timedelta(microseconds=1), zone, unit) != period


@pytest.mark.parametrize(
    "label",
    [
        *("", "26-01", "0999", "2026-0", "2026-1", "2026-00", "2026-13", "2026-01-01", "2026-01\n"),
        *("2026-Q", "2026-Q0", "2026-Q5", "2026-Q01", "2026-q1", "2026-T4", "2026-H3", "2026-W1"),
        "\u0662\u0660\u0662\u0666",
    ],
)
def test_what_is_no_name_of_a_period_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=r"write it as|such periods"):
        parse_period(label)


def test_the_key_of_a_report_is_its_connector_period_and_correction() -> None:
    connector = UUID(int=7)
    assert report_key(connector, "2026-Q1", 2) == f"{connector}:2026-Q1:2"


@pytest.mark.parametrize(
    ("state", "honours_key", "step"),
    [
        (None, True, Step.SEND),
        (ReportState.WAITING, False, Step.SEND),
        (ReportState.SENDING, True, Step.SEND),
        (ReportState.SENDING, False, Step.TELL_UNKNOWN),
        (ReportState.ACCEPTED, True, Step.NOTHING),
        (ReportState.REFUSED, True, Step.TELL_REFUSED),
        (ReportState.UNKNOWN, True, Step.TELL_UNKNOWN),
    ],
)
def test_what_may_have_arrived_is_sent_again_only_under_a_key_that_counts_once(
    state: ReportState | None, honours_key: bool, step: Step
) -> None:
    assert decide_step(state, honours_key=honours_key) is step
