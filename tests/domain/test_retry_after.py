"""A Retry-After is read in every form that servers send, and nothing that they send raises."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.retry_after import LONGEST_RETRY_AFTER, parse_http_date, parse_retry_after

NOW = datetime(1994, 11, 6, 8, 48, 37, tzinfo=UTC)
MINUTE_LATER = NOW + timedelta(minutes=1)

INSTANTS = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 (the zones are drawn beside it)
    max_value=datetime(9998, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))]),
)
HEADERS = st.one_of(
    st.text(max_size=200),
    st.from_regex(r"[ \t]*[-+]?[0-9]{1,150}(\.[0-9]{1,20})?[ \t]*", fullmatch=True),
    st.from_regex(
        r"[A-Za-z]{3,9}, [0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        fullmatch=True,
    ),
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("120", 120),
        (" 120\t", 120),
        ("007", 7),
        ("0.25", 0.25),
        ("1.5", 1.5),
        ("-5", 0),
        ("-0.5", 0),
        ("86400", 86_400),
    ],
)
def test_a_number_is_seconds_and_a_negative_one_is_no_wait(value: str, seconds: float) -> None:
    assert parse_retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "  Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 6 NOV 1994 08:49:37 gmt",
        "Sun,06 Nov 1994 08:49:37 UTC",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Mon, 06 Nov 1994 08:49:37 GMT",  # not a Monday: the date counts
    ],
)
def test_a_date_is_read_in_its_three_forms_and_their_common_misspellings(value: str) -> None:
    assert parse_retry_after(value, NOW) == timedelta(minutes=1)
    assert parse_http_date(value, NOW) == MINUTE_LATER


def test_a_date_is_read_against_now_in_whatever_zone_now_is() -> None:
    oslo = NOW.astimezone(timezone(timedelta(hours=1)))
    assert parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", oslo) == timedelta(minutes=1)


def test_a_date_in_the_past_is_no_wait() -> None:
    assert parse_retry_after("Sun, 06 Nov 1994 08:48:36 GMT", NOW) == timedelta(0)
    assert parse_retry_after("Thu, 01 Jan 1970 00:00:00 GMT", NOW) == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        "86401",
        str(10**30),
        "9" * 100,
        f"1{'0' * 60}.5",
        "Mon, 07 Nov 1994 08:48:38 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_an_absurd_wait_is_cut_to_a_day(value: str) -> None:
    assert parse_retry_after(value, NOW) == LONGEST_RETRY_AFTER


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "soon",
        "1,5",
        "1.",
        ".5",
        "1e3",
        "0x10",
        "+5",
        "--5",
        "1 2",
        "120, 120",
        "120s",
        "inf",
        "nan",
        "1_000",
        "\u0661\u0662",
        "\uff11",
        "\u00b2",
        "1\n",
        "1\x00",
        "9" * 101,
        "9" * 100_000,
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 994 08:49:37 GMT",
        "\u017fun, 06 Nov 1994 08:49:37 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    ],
)
def test_what_is_no_retry_after_is_none(value: str) -> None:
    assert parse_retry_after(value, NOW) is None


@pytest.mark.parametrize(
    ("now_year", "digits", "year"),
    [
        (1994, "94", 1994),
        (2026, "26", 2026),
        (2026, "75", 2075),
        (2026, "76", 1976),
        (2099, "00", 2100),
        (2100, "99", 2099),
    ],
)
def test_a_year_of_two_digits_is_the_nearest(now_year: int, digits: str, year: int) -> None:
    date = parse_http_date(f"Sunday, 06-Nov-{digits} 08:49:37 GMT", NOW.replace(year=now_year))
    assert date is not None
    assert date.year == year


def test_a_leap_second_is_the_one_before_it() -> None:
    leap = parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW)
    assert leap == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@given(value=HEADERS, now=INSTANTS)
@example(value="Sunday, 06-Nov-99 08:49:37 GMT", now=datetime(9998, 1, 1, tzinfo=UTC))
@example(value="Sunday, 06-Nov-60 08:49:37 GMT", now=datetime(2, 1, 1, tzinfo=UTC))
def test_every_text_is_a_wait_within_a_day_or_none(value: str, now: datetime) -> None:
    wait = parse_retry_after(value, now)
    assert wait is None or timedelta(0) <= wait <= LONGEST_RETRY_AFTER


@given(at=INSTANTS)
def test_a_date_that_is_written_in_each_form_is_read_back(at: datetime) -> None:
    at = at.astimezone(UTC).replace(microsecond=0)
    for form in (f"%a, %d %b {at.year:04} %H:%M:%S GMT", f"%a %b %d %H:%M:%S {at.year:04}"):
        assert parse_http_date(at.strftime(form), NOW) == at
    assert parse_http_date(at.strftime("%A, %d-%b-%y %H:%M:%S GMT"), at) == at
