import pytest

from shared.domain.recurrence import Recurrence
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError

OSLO = "Europe/Oslo"
TRANSLATED = [
    ({"frequency": "hourly"}, "0 * * * *"),
    ({"frequency": "hourly", "preferred_time": "00:17"}, "17 * * * *"),
    ({"frequency": "hourly", "preferred_time": "13:05"}, "5 * * * *"),
    ({"frequency": "daily", "preferred_time": "02:00"}, "0 2 * * *"),
    ({"frequency": "daily", "preferred_time": "23:59"}, "59 23 * * *"),
    (
        {"frequency": "weekly", "preferred_time": "06:30", "preferred_day_of_week": "monday"},
        "30 6 * * 1",
    ),
    (
        {"frequency": "weekly", "preferred_time": "06:30", "preferred_day_of_week": "sunday"},
        "30 6 * * 0",
    ),
    (
        {"frequency": "monthly", "preferred_time": "00:00", "preferred_day_of_month": 28},
        "0 0 28 * *",
    ),
]
DAILY = {"frequency": "daily", "preferred_time": "02:00"}
WEEKLY = {"frequency": "weekly", "preferred_time": "02:00", "preferred_day_of_week": "friday"}
MONTHLY = {"frequency": "monthly", "preferred_time": "02:00", "preferred_day_of_month": 1}
ARABIC_DIGITS = "\u0660\u0662:\u0660\u0660"
NO_TIMES = ("", "2:00", "24:00", "02:60", "02:00:00", "02:00\n", ARABIC_DIGITS, "2pm")
REFUSED = [
    *(
        ({**DAILY, "frequency": frequency}, "frequency", RecurrenceCode.FREQUENCY)
        for frequency in ("manual", "realtime", "custom", "yearly", "Daily", "")
    ),
    *(
        ({**DAILY, "preferred_time": text}, "preferred_time", RecurrenceCode.PREFERRED_TIME)
        for text in (
            None,
            "",
            "2:00",
            "24:00",
            "02:60",
            "02:00:00",
            "02:00\n",
            "\u0660\u0662:\u0660\u0660",
            "2pm",
        )
    ),
    (
        {"frequency": "hourly", "preferred_time": "x"},
        "preferred_time",
        RecurrenceCode.PREFERRED_TIME,
    ),
    *(
        (
            {**WEEKLY, "preferred_day_of_week": day},
            "preferred_day_of_week",
            RecurrenceCode.WEEKLY_DAY,
        )
        for day in (None, "", "fri", "Friday", "5")
    ),
    (
        {**WEEKLY, "preferred_day_of_month": 1},
        "preferred_day_of_month",
        RecurrenceCode.WEEKLY_DAY,
    ),
    (
        {**MONTHLY, "preferred_day_of_month": None},
        "preferred_day_of_month",
        RecurrenceCode.MONTHLY_DAY,
    ),
    (
        {**MONTHLY, "preferred_day_of_week": "friday"},
        "preferred_day_of_week",
        RecurrenceCode.MONTHLY_DAY,
    ),
    *(
        (
            {**MONTHLY, "preferred_day_of_month": day},
            "preferred_day_of_month",
            RecurrenceCode.DAY_OF_MONTH_RANGE,
        )
        for day in (-1, 0, 29, 31)
    ),
    *(
        (
            {**preset, "preferred_day_of_week": "friday"},
            "preferred_day_of_week",
            RecurrenceCode.DAY_OF_WEEK_UNUSED,
        )
        for preset in (DAILY, {"frequency": "hourly"})
    ),
    *(
        (
            {**preset, "preferred_day_of_month": 1},
            "preferred_day_of_month",
            RecurrenceCode.DAY_OF_MONTH_UNUSED,
        )
        for preset in (DAILY, {"frequency": "hourly"})
    ),
]


@pytest.mark.parametrize(("preset", "cron"), TRANSLATED, ids=[row[1] for row in TRANSLATED])
def test_a_preset_equals_its_cron_translation(preset: dict[str, object], cron: str) -> None:
    assert Recurrence.from_preset(timezone=OSLO, **preset) == Recurrence.from_cron(cron, OSLO)


@pytest.mark.parametrize(("preset", "field", "code"), REFUSED)
def test_a_preset_that_does_not_fit_is_refused_by_the_name_of_its_rule(
    preset: dict[str, object], field: str, code: RecurrenceCode
) -> None:
    with pytest.raises(RecurrenceError) as refusal:
        Recurrence.from_preset(timezone=OSLO, **preset)
    assert (refusal.value.field, refusal.value.code) == (field, code)
    assert refusal.value.reason
    assert refusal.value.hint


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(RecurrenceError) as refusal:
        Recurrence.from_preset(timezone="Europe/Atlantis", **DAILY)
    assert refusal.value.code == RecurrenceCode.TIMEZONE
