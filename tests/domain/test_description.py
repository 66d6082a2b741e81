import calendar
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from shared.domain.cron import compile_cron
from shared.domain.description import describe_cron, listed
from shared.domain.recurrence import Recurrence
from shared.errors import RecurrenceError

OSLO = "Europe/Oslo"
PRESETS = [
    (Recurrence.from_preset(frequency="hourly", timezone=OSLO), "Every hour"),
    (
        Recurrence.from_preset(frequency="hourly", timezone=OSLO, preferred_time="00:45"),
        "At 45 minutes past the hour",
    ),
    (
        Recurrence.from_preset(frequency="daily", timezone=OSLO, preferred_time="02:00"),
        "At 02:00",
    ),
    (
        Recurrence.from_preset(
            frequency="weekly",
            timezone=OSLO,
            preferred_time="23:05",
            preferred_day_of_week="sunday",
        ),
        "At 23:05, only on Sunday",
    ),
    (
        Recurrence.from_preset(
            frequency="monthly", timezone=OSLO, preferred_time="00:00", preferred_day_of_month=28
        ),
        "At 00:00, on day 28 of the month",
    ),
]
TIMES = [
    ("* * * * *", "Every minute"),
    ("*/15 * * * *", "Every 15 minutes"),
    ("0,15,30,45 * * * *", "Every 15 minutes"),
    ("*/7 * * * *", "Every 7 minutes, minutes 0 through 56 past the hour"),
    ("1-59/2 * * * *", "Every 2 minutes, minutes 1 through 59 past the hour"),
    ("5/15 * * * *", "At 5, 20, 35, and 50 minutes past the hour"),
    ("1 * * * *", "At 1 minute past the hour"),
    ("0-10 * * * *", "Minutes 0 through 10 past the hour"),
    ("0-10,30 * * * *", "At 0 through 10 and 30 minutes past the hour"),
    ("30 6,14 * * *", "At 06:30 and 14:30"),
    ("0,30 6,14 * * *", "At 06:00, 06:30, 14:00, and 14:30"),
    ("0 9-17 * * *", "Every hour from 09:00 through 17:00"),
    ("30 */2 * * *", "Every 2 hours from 00:30 through 22:30"),
    ("0 */5 * * *", "At 00:00, 05:00, 10:00, 15:00, and 20:00"),
    ("0 1-5,8,10 * * *", "At 01:00, 02:00, 03:00, 04:00, 05:00, 08:00, and 10:00"),
    ("*/15 9-17 * * *", "Every 15 minutes, between 09:00 and 17:59"),
    ("*/5 3 * * *", "Every 5 minutes, between 03:00 and 03:59"),
    (
        "5,10 0-3,8 * * *",
        "At 5 and 10 minutes past the hour, during hours 0 through 3 and 8",
    ),
]
DAYS = [
    ("0 2 * * mon-fri", "At 02:00, Monday through Friday"),
    ("0 2 * * sun,SAT", "At 02:00, only on Saturday and Sunday"),
    ("0 2 * * 5-7", "At 02:00, Friday through Sunday"),
    ("0 2 * * 0-7", "At 02:00"),
    ("0 2 * * mon#2", "At 02:00, on the second Monday of the month"),
    (
        "0 2 * * mon#1,7#3",
        "At 02:00, on the first Monday of the month or on the third Sunday of the month",
    ),
    ("0 2 * * mon#1,fri", "At 02:00, on Friday or on the first Monday of the month"),
    ("0 2 l * *", "At 02:00, on the last day of the month"),
    ("0 2 15,L * *", "At 02:00, on day 15 of the month or on the last day of the month"),
    ("0 2 1-7 * *", "At 02:00, between day 1 and 7 of the month"),
    ("0 2 */10 * *", "At 02:00, on day 1, 11, 21, and 31 of the month"),
    ("0 2 */2 * *", "At 02:00, on every 2nd day of the month from day 1 through 31"),
    ("0 2 1-31 * *", "At 02:00"),
    ("0 0 29 2 *", "At 00:00, on day 29 of the month, only in February"),
    ("0 0 1 */3 *", "At 00:00, on day 1 of the month, only in January, April, July, and October"),
    ("0 2 * jun-aug *", "At 02:00, June through August"),
    ("@yearly", "At 00:00, on day 1 of the month, only in January"),
]
EITHER_OR_BOTH = [
    ("0 2 13 * 5", "At 02:00, on day 13 of the month or on Friday"),
    ("0 2 13 6 5", "At 02:00, on day 13 of the month or on Friday, only in June"),
    ("0 2 l * mon-fri", "At 02:00, on the last day of the month or on Monday through Friday"),
    ("0 2 13 * 0-6", "At 02:00"),
    ("0 2 1-31 * 5", "At 02:00"),
    (
        "0 2 */2 * mon",
        "At 02:00, on every 2nd day of the month from day 1 through 31, if it falls on Monday",
    ),
    (
        "0 2 13 * */3",
        "At 02:00, on day 13 of the month, if it falls on Wednesday, Saturday, and Sunday",
    ),
    (
        "0 2 */15 * fri,mon#2",
        (
            "At 02:00, on day 1, 16, and 31 of the month, "
            "if it falls on Friday or on the second Monday of the month"
        ),
    ),
]
SENTENCES = [*TIMES, *DAYS, *EITHER_OR_BOTH]


@pytest.mark.parametrize(("recurrence", "sentence"), PRESETS, ids=[row[1] for row in PRESETS])
def test_a_preset_is_said_in_words_with_its_zone(recurrence: Recurrence, sentence: str) -> None:
    assert recurrence.describe() == f"{sentence} (Europe/Oslo)"


@pytest.mark.parametrize(("cron", "sentence"), SENTENCES, ids=[row[0] for row in SENTENCES])
def test_an_expression_is_said_in_words_with_its_zone(cron: str, sentence: str) -> None:
    assert Recurrence.from_cron(cron, "Asia/Tokyo").describe() == f"{sentence} (Asia/Tokyo)"


def test_a_list_has_a_comma_before_its_last_item_from_three_items_on() -> None:
    assert [listed("abc"[:length]) for length in (1, 2, 3)] == ["a", "a and b", "a, b, and c"]


def test_what_makes_sentences_is_not_loaded_with_the_recurrences() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, shared.domain.recurrence; print(*sys.modules)"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    assert "shared.domain.description" in loaded
    assert "cron_descriptor" not in loaded


WEEKDAYS = list(calendar.day_name)
MONTHS = list(calendar.month_name)[1:]
NTH = ["first", "second", "third", "fourth", "fifth"]
WEEKDAY = "|".join(WEEKDAYS)
MONTH = "|".join(MONTHS)
LIST = r"\w+(?: through \w+)?(?:, \w+(?: through \w+)?)*(?:,? and \w+(?: through \w+)?)?"
CLOCK = r"(\d\d):(\d\d)"

DayMatch = Callable[[int, int, int], bool]
"""Of a day of the month, its weekday (Monday 0) and the length of the month."""


def read_list(text: str, names: list[str] | None = None) -> set[int]:
    """Return the numbers of "1, 3 through 5, and 7", or the places in `names`."""

    def number(word: str) -> int:
        return names.index(word) if names else int(word)

    found: set[int] = set()
    for item in re.split(r",? and |, ", text):
        first, _, last = item.partition(" through ")
        found.update(range(number(first), number(last or first) + 1))
    return found


def read_minutes(text: str) -> set[int]:
    if text == "every minute":
        return set(range(60))
    if text == "every hour":
        return {0}
    if found := re.fullmatch(
        r"every (\d+) minutes(?:, minutes (\d+) through (\d+) past .*)?", text
    ):
        return set(range(int(found[2] or 0), int(found[3] or 59) + 1, int(found[1])))
    found = re.fullmatch(rf"(?:at|minutes) ({LIST})(?: minutes?)? past the hour", text)
    assert found, text
    return read_list(found[1])


def read_times(text: str) -> set[tuple[int, int]]:
    """Return the (hour, minute) pairs that a phrase names."""
    text = text[0].lower() + text[1:]
    if re.fullmatch(rf"at {CLOCK}.*", text):
        return {(int(hour), int(minute)) for hour, minute in re.findall(CLOCK, text)}
    if found := re.fullmatch(rf"every (?:hour|(\d+) hours) from {CLOCK} through {CLOCK}", text):
        step, hour, minute, last, same_minute = found.groups()
        assert minute == same_minute
        return {(at, int(minute)) for at in range(int(hour), int(last) + 1, int(step or 1))}
    hours = set(range(24))
    if found := re.fullmatch(r"(.*), between (\d\d):00 and (\d\d):59", text):
        text, hours = found[1], set(range(int(found[2]), int(found[3]) + 1))
    elif found := re.fullmatch(rf"(.*), during hours ({LIST})", text):
        text, hours = found[1], read_list(found[2])
    return {(hour, minute) for hour in hours for minute in read_minutes(text)}


def read_day(text: str) -> DayMatch:
    if text == "on the last day of the month":
        return lambda day, _, length: day == length
    if found := re.fullmatch(rf"on the (\w+) ({WEEKDAY}) of the month", text):
        nth, name = NTH.index(found[1]), WEEKDAYS.index(found[2])
        return lambda day, weekday, _: (weekday, (day - 1) // 7) == (name, nth)
    if found := re.fullmatch(
        r"on every (\d)\w\w day of the month from day (\d+) through (\d+)", text
    ):
        days = set(range(int(found[2]), int(found[3]) + 1, int(found[1])))
        return lambda day, *_: day in days
    if found := re.fullmatch(r"between day (\d+) and (\d+) of the month", text):
        return lambda day, *_: int(found[1]) <= day <= int(found[2])
    if found := re.fullmatch(rf"on day ({LIST}) of the month", text):
        days = read_list(found[1])
        return lambda day, *_: day in days
    weekdays = read_list(re.sub("^(only )?on ", "", text), WEEKDAYS)
    return lambda _, weekday, __: weekday in weekdays


def read_days(text: str) -> DayMatch:
    dates, _, weekdays = text.partition(", if it falls ")
    some = [read_day(phrase) for phrase in dates.split(" or ")]
    others = [read_day(phrase) for phrase in weekdays.split(" or ")] if weekdays else []
    return lambda *day: (
        any(one(*day) for one in some) and (not others or any(one(*day) for one in others))
    )


def read(sentence: str) -> tuple[set[tuple[int, int]], DayMatch, set[int]]:
    """Return what a reader takes a sentence to mean: times, days and months (January 0)."""
    months = set(range(12))
    found = re.fullmatch(rf"(.*?), (?:only in )?((?:{MONTH}).*)", sentence)
    if found:
        sentence, months = found[1], read_list(found[2], MONTHS)
    times, *days = re.split(
        rf", (?=on |only on |between day |(?:{WEEKDAY}) through )", sentence, maxsplit=1
    )
    return read_times(times), read_days(days[0]) if days else lambda *_: True, months


def terms(low: int, high: int, *special: str) -> st.SearchStrategy[str]:
    """Draw one field: a list of up to three numbers, ranges, steps and special items."""
    number = st.integers(low, high)
    ends = st.tuples(number, number).map(sorted)
    step = st.integers(1, high - low)
    term = st.one_of(
        st.just("*"),
        number.map(str),
        step.map("*/{}".format),
        ends.map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.builds(lambda pair, by: f"{pair[0]}-{pair[1]}/{by}", ends, step),
        st.builds("{}/{}".format, number, step),
        *map(st.just, special),
    )
    return st.just("*") | term | st.lists(term, min_size=2, max_size=3).map(",".join)


NAMED_MONTHS = ("jan", "feb-may", "jun,sep", "oct-dec/2")
NAMED_DAYS = ("mon-fri", "sun", "SAT", "mon#2", "7#5", "0#1", "fri#1,fri#3")
EXPRESSIONS = st.tuples(
    terms(0, 59),
    terms(0, 23),
    terms(1, 31, "L"),
    terms(1, 12, *NAMED_MONTHS),
    terms(0, 7, *NAMED_DAYS),
).map(" ".join)


@settings(max_examples=1_000, deadline=None)
@given(expression=EXPRESSIONS)
def test_a_sentence_that_is_read_back_means_the_same_minutes(expression: str) -> None:
    try:
        cron = Recurrence.from_cron(expression, "UTC").cron
    except RecurrenceError:
        reject()
    fields = compile_cron(cron)
    times, matches, months = read(describe_cron(cron))
    assert times == {
        (hour, minute)
        for hour in range(24)
        for minute in range(60)
        if fields.hours >> hour & 1 and fields.minutes >> minute & 1
    }
    assert months == {month for month in range(12) if fields.months >> (month + 1) & 1}
    for first_weekday in range(7):
        for length in range(28, 32):
            days = {
                day
                for day in range(1, length + 1)
                if matches(day, (first_weekday + day - 1) % 7, length)
            }
            mask = fields.days[first_weekday][length - 28]
            assert days == {day for day in range(1, 32) if mask >> day & 1}
