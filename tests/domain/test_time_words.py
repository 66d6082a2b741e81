from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.time_words import day_and_time, duration, time_and_day, time_beside
from tests.domain.schedule_values import OSLO


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "timezone", "words"),
    [
        ("2026-03-02T01:00", OSLO, "Monday 2 March 2026 at 02:00 (Europe/Oslo)"),
        ("2026-03-02T01:00:09", OSLO, "Monday 2 March 2026 at 02:00:09 (Europe/Oslo)"),
        ("2026-03-01T23:30", OSLO, "Monday 2 March 2026 at 00:30 (Europe/Oslo)"),
        ("2026-10-25T00:30", OSLO, "Sunday 25 October 2026 at 02:30 (Europe/Oslo, UTC+02:00)"),
        ("2026-10-25T01:30", OSLO, "Sunday 25 October 2026 at 02:30 (Europe/Oslo, UTC+01:00)"),
        ("2026-10-25T02:00", OSLO, "Sunday 25 October 2026 at 03:00 (Europe/Oslo)"),
        ("2026-03-29T01:00", OSLO, "Sunday 29 March 2026 at 03:00 (Europe/Oslo)"),
        ("2026-07-01T00:00", "UTC", "Wednesday 1 July 2026 at 00:00 (UTC)"),
    ],
)
def test_an_instant_is_told_in_its_zone_and_its_copies_apart(
    instant: str, timezone: str, words: str
) -> None:
    assert day_and_time(utc(instant), timezone) == words


def test_the_brief_form_names_the_minute_that_an_instant_lies_in() -> None:
    words = time_and_day(utc("2026-03-02T13:00:59.9"), OSLO)
    assert words == "14:00 on 2 March 2026 (Europe/Oslo)"


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        ("2026-03-02T01:00", "02:00"),
        ("2026-03-01T23:00", "00:00"),
        ("2026-03-01T22:59", "23:59 on Sunday 1 March 2026"),
    ],
)
def test_a_time_beside_another_has_its_date_if_that_is_another_day(
    instant: str, words: str
) -> None:
    assert time_beside(utc(instant), utc("2026-03-02T05:00"), OSLO) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (60, "1 minute"),
        (197, "3 minutes 17 seconds"),
        (3_601, "1 hour 1 second"),
        (90_000, "1 day 1 hour"),
        (0.5, "0 seconds"),
    ],
)
def test_a_duration_is_told_by_its_units(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words
