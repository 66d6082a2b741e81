"""Instants that a clock change touches and what a preview says of them, by hand."""

from typing import NamedTuple


class Case(NamedTuple):
    name: str
    cron: str
    zone: str
    start: str
    """UTC, exclusive: the one instant with a note comes within two days."""
    local: str
    """That instant, in the zone."""
    sentence: str


MOVED = [
    Case(
        "oslo",
        "30 2 * * *",
        "Europe/Oslo",
        "2026-03-28T06:00",
        "2026-03-29T03:00+02:00",
        (
            "02:30 does not exist on 29 March 2026, when the clock goes from 02:00 to 03:00: "
            "it counts as 03:00."
        ),
    ),
    Case(
        "lord_howe_half_an_hour",
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T00:00",
        "2026-10-04T02:30+11:00",
        (
            "02:15 does not exist on 4 October 2026, when the clock goes from 02:00 to 02:30: "
            "it counts as 02:30."
        ),
    ),
    Case(
        "apia_a_whole_day",
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00",
        "2011-12-31T00:00+14:00",
        (
            "09:00 does not exist on 30 December 2011, when the clock goes from 00:00 "
            "to 00:00 on 31 December 2011: it counts as 00:00 on 31 December 2011."
        ),
    ),
    Case(
        "cairo_at_midnight",
        "0 0 * * *",
        "Africa/Cairo",
        "2026-04-23T06:00",
        "2026-04-24T01:00+03:00",
        (
            "00:00 does not exist on 24 April 2026, when the clock goes from 00:00 to 01:00: "
            "it counts as 01:00."
        ),
    ),
    Case(
        "dublin_negative_dst",
        "30 1 * * *",
        "Europe/Dublin",
        "2026-03-28T06:00",
        "2026-03-29T02:00+01:00",
        (
            "01:30 does not exist on 29 March 2026, when the clock goes from 01:00 to 02:00: "
            "it counts as 02:00."
        ),
    ),
    Case(
        "casablanca_after_ramadan",
        "30 2 * * *",
        "Africa/Casablanca",
        "2024-04-13T06:00",
        "2024-04-14T03:00+01:00",
        (
            "02:30 does not exist on 14 April 2024, when the clock goes from 02:00 to 03:00: "
            "it counts as 03:00."
        ),
    ),
    Case(
        "nuuk_over_midnight",
        "30 23 * * *",
        "America/Nuuk",
        "2026-03-28T06:00",
        "2026-03-29T00:00-01:00",
        (
            "23:30 does not exist on 28 March 2026, when the clock goes from 23:00 "
            "to 00:00 on 29 March 2026: it counts as 00:00 on 29 March 2026."
        ),
    ),
    Case(
        "monrovia_to_half_a_minute",
        "30 0 * * *",
        "Africa/Monrovia",
        "1972-01-06T06:00",
        "1972-01-07T00:44:30+00:00",
        (
            "00:30 does not exist on 7 January 1972, when the clock goes from 00:00 to 00:44:30: "
            "it counts as 00:44:30."
        ),
    ),
]
MERGED = [
    Case(
        "oslo_two_skipped_times",
        "0,30 2 * * *",
        "Europe/Oslo",
        "2026-03-28T06:00",
        "2026-03-29T03:00+02:00",
        (
            "02:00 and 02:30 do not exist on 29 March 2026, when the clock goes "
            "from 02:00 to 03:00: they count together as 03:00."
        ),
    ),
    Case(
        "oslo_a_time_of_its_own_at_the_end",
        "0 2,3 * * *",
        "Europe/Oslo",
        "2026-03-28T06:00",
        "2026-03-29T03:00+02:00",
        (
            "02:00 does not exist on 29 March 2026, when the clock goes from 02:00 to 03:00: "
            "it counts with 03:00."
        ),
    ),
    Case(
        "oslo_many_and_one_of_its_own",
        "0-59/10 2,3 * * *",
        "Europe/Oslo",
        "2026-03-28T06:00",
        "2026-03-29T03:00+02:00",
        (
            "The 6 times from 02:00 to 02:50 do not exist on 29 March 2026, when the clock "
            "goes from 02:00 to 03:00: they count with 03:00."
        ),
    ),
    Case(
        "troll_two_hours",
        "30 1,2 * * *",
        "Antarctica/Troll",
        "2026-03-28T12:00",
        "2026-03-29T03:00+02:00",
        (
            "01:30 and 02:30 do not exist on 29 March 2026, when the clock goes "
            "from 01:00 to 03:00: they count together as 03:00."
        ),
    ),
    Case(
        "toronto_in_1919_around_midnight",
        "15,45 0,23 * * *",
        "America/Toronto",
        "1919-03-30T12:00",
        "1919-03-31T00:30-04:00",
        (
            "23:45 on 30 March 1919 and 00:15 on 31 March 1919 do not exist, when the clock goes "
            "from 23:30 on 30 March 1919 to 00:30 on 31 March 1919: they count together as 00:30 "
            "on 31 March 1919."
        ),
    ),
]
SKIPPED = [
    Case(
        "oslo_four_times",
        "*/15 * * * *",
        "Europe/Oslo",
        "2026-03-28T23:00",
        "2026-03-29T03:00+02:00",
        (
            "02:00, 02:15, 02:30, and 02:45 do not exist on 29 March 2026, when the clock goes "
            "from 02:00 to 03:00: they are skipped."
        ),
    ),
    Case(
        "oslo_one_time",
        "30 * * * *",
        "Europe/Oslo",
        "2026-03-28T06:00",
        "2026-03-29T03:30+02:00",
        (
            "02:30 does not exist on 29 March 2026, when the clock goes from 02:00 to 03:00: "
            "it is skipped."
        ),
    ),
    Case(
        "oslo_a_day_later",
        "*/30 2 * * *",
        "Europe/Oslo",
        "2026-03-28T06:00",
        "2026-03-30T02:00+02:00",
        (
            "02:00 and 02:30 do not exist on 29 March 2026, when the clock goes "
            "from 02:00 to 03:00: they are skipped."
        ),
    ),
    Case(
        "oslo_every_minute",
        "* * * * *",
        "Europe/Oslo",
        "2026-03-29T00:30",
        "2026-03-29T03:00+02:00",
        (
            "The 60 times from 02:00 to 02:59 do not exist on 29 March 2026, when the clock "
            "goes from 02:00 to 03:00: they are skipped."
        ),
    ),
    Case(
        "apia_an_hour_of_the_day_that_was_skipped",
        "*/15 9 * * *",
        "Pacific/Apia",
        "2011-12-29T06:00",
        "2011-12-31T09:00+14:00",
        (
            "09:00, 09:15, 09:30, and 09:45 do not exist on 30 December 2011, when the clock goes "
            "from 00:00 to 00:00 on 31 December 2011: they are skipped."
        ),
    ),
    Case(
        "troll_two_hours",
        "0 * * * *",
        "Antarctica/Troll",
        "2026-03-28T06:00",
        "2026-03-29T03:00+02:00",
        (
            "01:00 and 02:00 do not exist on 29 March 2026, when the clock goes "
            "from 01:00 to 03:00: they are skipped."
        ),
    ),
]
REPEATED = [
    Case(
        "oslo",
        "30 2 * * *",
        "Europe/Oslo",
        "2026-10-24T06:00",
        "2026-10-25T02:30+02:00",
        (
            "02:30 comes twice on 25 October 2026, when the clock goes back from 03:00 to 02:00: "
            "it counts once, the first time."
        ),
    ),
    Case(
        "lord_howe_half_an_hour",
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T00:00",
        "2026-04-05T01:45+11:00",
        (
            "01:45 comes twice on 5 April 2026, when the clock goes back from 02:00 to 01:30: "
            "it counts once, the first time."
        ),
    ),
    Case(
        "dublin_negative_dst",
        "30 1 * * *",
        "Europe/Dublin",
        "2026-10-24T06:00",
        "2026-10-25T01:30+01:00",
        (
            "01:30 comes twice on 25 October 2026, when the clock goes back from 02:00 to 01:00: "
            "it counts once, the first time."
        ),
    ),
    Case(
        "casablanca_before_ramadan",
        "30 2 * * *",
        "Africa/Casablanca",
        "2024-03-09T06:00",
        "2024-03-10T02:30+01:00",
        (
            "02:30 comes twice on 10 March 2024, when the clock goes back from 03:00 to 02:00: "
            "it counts once, the first time."
        ),
    ),
    Case(
        "troll_two_hours",
        "30 1 * * *",
        "Antarctica/Troll",
        "2026-10-24T06:00",
        "2026-10-25T01:30+02:00",
        (
            "01:30 comes twice on 25 October 2026, when the clock goes back from 03:00 to 01:00: "
            "it counts once, the first time."
        ),
    ),
    Case(
        "beirut_over_midnight",
        "30 23 * * *",
        "Asia/Beirut",
        "2026-10-24T06:00",
        "2026-10-24T23:30+03:00",
        (
            "23:30 comes twice on 24 October 2026, when the clock goes back from 00:00 "
            "on 25 October 2026 to 23:00: it counts once, the first time."
        ),
    ),
]
