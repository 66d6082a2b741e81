# ruff: noqa: DTZ001 - local times are naive on purpose
from datetime import MAXYEAR, datetime, timedelta

import pytest
from croniter import croniter
from croniter.croniter import CroniterBadDateError
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.cron import canonical_cron, compile_cron
from shared.domain.cron_fields import CronFields
from shared.errors import RecurrenceError
from tests.domain.drawn import EXPRESSIONS, MINUTE, Drawn

WHOLE_MINUTES = st.datetimes(datetime(1900, 1, 1), datetime(2400, 1, 1)).map(
    lambda at: at.replace(second=0, microsecond=0)
)


def fields_of(expression: str) -> CronFields:
    return compile_cron(canonical_cron(expression))


def first_days(expression: str, start: str, count: int) -> list[str]:
    fields, local = fields_of(expression), datetime.fromisoformat(start)
    found: list[str] = []
    while len(found) < count:
        match = fields.first_at_or_after(local)
        assert match is not None
        found.append(match.date().isoformat())
        local = match + MINUTE
    return found


CALENDAR = [
    ("0 2 31 * *", "2026-10-31T02:01", ["2026-12-31", "2027-01-31", "2027-03-31"]),
    ("0 2 30 * *", "2026-01-30T02:01", ["2026-03-30", "2026-04-30"]),
    ("0 0 29 2 *", "2094-01-01T00:00", ["2096-02-29", "2104-02-29", "2108-02-29"]),
    ("0 0 l * *", "2028-01-31T00:01", ["2028-02-29", "2028-03-31", "2028-04-30"]),
    ("0 0 15,l 2 *", "2026-01-01T00:00", ["2026-02-15", "2026-02-28", "2027-02-15"]),
    ("0 0 * * mon#2", "2026-02-01T00:00", ["2026-02-09", "2026-03-09", "2026-04-13"]),
    ("0 0 * * fri#5", "2026-02-01T00:00", ["2026-05-29", "2026-07-31"]),
    ("0 0 * * mon#1,wed", "2026-06-01T00:00", ["2026-06-01", "2026-06-03", "2026-06-10"]),
    ("0 0 13 * fri#1", "2026-02-01T00:00", ["2026-02-06", "2026-02-13", "2026-03-06"]),
    ("0 0 13 * 5", "2026-02-01T00:00", ["2026-02-06", "2026-02-13", "2026-02-20"]),
    ("0 0 */2 * mon", "2026-02-01T00:00", ["2026-02-09", "2026-02-23", "2026-03-09"]),
    ("0 0 1 * */2", "2026-01-31T12:00", ["2026-02-01", "2026-03-01", "2026-08-01"]),
    ("0 0 31 4 1", "2026-04-01T00:00", ["2026-04-06", "2026-04-13"]),
    ("0 0 * * 0", "2026-02-01T00:01", ["2026-02-08", "2026-02-15"]),
    ("0 0 * * 7", "2026-02-01T00:01", ["2026-02-08", "2026-02-15"]),
    ("0 0 1 1 *", "2026-12-31T23:59", ["2027-01-01", "2028-01-01"]),
]


@pytest.mark.parametrize(("expression", "start", "days"), CALENDAR, ids=[r[0] for r in CALENDAR])
def test_days_are_those_of_the_calendar(expression: str, start: str, days: list[str]) -> None:
    assert first_days(expression, start, len(days)) == days


def test_a_match_is_found_at_its_own_minute_and_not_a_minute_later() -> None:
    fields = fields_of("0 2 * * *")
    assert fields.first_at_or_after(datetime(2026, 3, 1, 2, 0)) == datetime(2026, 3, 1, 2, 0)
    assert fields.first_at_or_after(datetime(2026, 3, 1, 2, 1)) == datetime(2026, 3, 2, 2, 0)
    assert fields.last_at_or_before(datetime(2026, 3, 1, 2, 0)) == datetime(2026, 3, 1, 2, 0)
    assert fields.last_at_or_before(datetime(2026, 3, 1, 1, 59)) == datetime(2026, 2, 28, 2, 0)


def test_the_calendar_ends_without_an_error() -> None:
    fields = fields_of("0 0 1 1 *")
    assert fields.first_at_or_after(datetime(MAXYEAR, 12, 31)) is None
    assert fields.last_at_or_before(datetime(1, 1, 1)) == datetime(1, 1, 1)
    assert fields_of("0 0 2 1 *").last_at_or_before(datetime(1, 1, 1)) is None


def test_a_search_gives_up_after_ten_years() -> None:
    never = compile_cron("0 0 30 2 *")
    assert never.first_at_or_after(datetime(2026, 1, 1)) is None
    assert never.last_at_or_before(datetime(2026, 1, 1)) is None


@given(drawn=EXPRESSIONS, local=WHOLE_MINUTES)
def test_forwards_and_backwards_meet_at_a_minute_that_matches(
    drawn: Drawn, local: datetime
) -> None:
    fields = compile_cron(drawn.text)
    first = fields.first_at_or_after(local)
    if first is not None:
        assert first >= local
        assert drawn.matches(first)
        assert fields.last_at_or_before(first) == first
        before = fields.last_at_or_before(first - MINUTE)
        assert before is None or before < local


@settings(max_examples=300, deadline=None)
@given(drawn=EXPRESSIONS, local=WHOLE_MINUTES)
def test_croniter_finds_the_same_minutes_on_naive_time(drawn: Drawn, local: datetime) -> None:
    try:
        fields = fields_of(drawn.text)
    except RecurrenceError:
        return
    _, _, day, _, weekday = drawn.text.split()
    # croniter reads `*/2` beside a weekday as "or"; Debian, and we, as "and".
    both = day.startswith("*") or weekday.startswith("*")
    rival = croniter(
        drawn.text, local, ret_type=datetime, day_or=not both, max_years_between_matches=11
    )
    for _ in range(3):
        try:
            expected = rival.get_next()
        except CroniterBadDateError:
            return
        found = fields.first_at_or_after(local + MINUTE)
        assert found == expected
        local = expected


@given(drawn=EXPRESSIONS)
def test_what_is_accepted_has_a_day_in_every_ten_years(drawn: Drawn) -> None:
    try:
        fields = fields_of(drawn.text)
    except RecurrenceError:
        return
    local = datetime(2000, 1, 1)
    while local.year < 2120:
        following = fields.first_at_or_after(local + timedelta(days=200))
        assert following is not None
        local = following
