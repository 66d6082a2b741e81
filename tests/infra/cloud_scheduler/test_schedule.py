"""What is read as the schedule of a job."""

from datetime import UTC, datetime, timedelta

import pytest
from grpc import StatusCode

from infra.local.cloud_scheduler.schedule import recurrence_of
from infra.local.emulator.errors import ApiError

NIGHT = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_schedule_fires_at_matching_times_of_its_zone() -> None:
    at_nine = recurrence_of("0 9 * * mon-fri", "Europe/Oslo")
    assert at_nine.next_after(NIGHT) == NIGHT + timedelta(days=2, hours=8)


@pytest.mark.parametrize("zone", ["UTC", "utc", "Etc/UTC"])
def test_utc_in_any_case_means_utc(zone: str) -> None:
    assert recurrence_of("0 9 * * *", zone).next_after(NIGHT) == NIGHT + timedelta(hours=9)


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "every 5 minutes",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "10-5 * * * *",
        "* * L * *",
        "* * 1,l * *",
        "* * * * 1#2",
        "* * * foo *",
        "jan * * * *",
        "* * * * mon-",
        "1,,2 * * * *",
        "R * * * *",
        "0 0 30 2 *",
    ],
)
def test_what_is_not_unix_cron_is_refused(schedule: str) -> None:
    with pytest.raises(ApiError, match=r"^Schedule or time zone is invalid\. ") as refusal:
        recurrence_of(schedule, "UTC")
    assert refusal.value.status is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "America", "EST5EDT4"])
def test_what_is_not_a_zone_is_refused(zone: str) -> None:
    with pytest.raises(ApiError, match="is not a time zone"):
        recurrence_of("* * * * *", zone)


def test_a_refusal_says_what_the_recurrence_says() -> None:
    with pytest.raises(ApiError, match=r"60 is not a minute\. Use 0 to 59\."):
        recurrence_of("60 * * * *", "UTC")


def test_the_refusal_of_an_english_schedule_says_what_to_write() -> None:
    with pytest.raises(ApiError, match=r"use '\*/5 \* \* \* \*'"):
        recurrence_of("every 5 minutes", "UTC")
