"""Recurrences around clock changes: what runs, by hand from the zones' rules."""

from typing import NamedTuple


class Case(NamedTuple):
    name: str
    cron: str
    zone: str
    start: str
    """UTC, exclusive."""
    runs: list[str]
    """The next instants, UTC."""


GAPS = [
    Case(
        "new_york_runs_at_the_end_of_the_gap",
        "30 2 * * *",
        "America/New_York",
        "2026-03-07T12:00",
        ["2026-03-08T07:00", "2026-03-09T06:30"],
    ),
    Case(
        "two_skipped_times_and_the_end_of_the_gap_are_one_run",
        "0,30 2,3 * * *",
        "America/New_York",
        "2026-03-08T00:00",
        ["2026-03-08T07:00", "2026-03-08T07:30", "2026-03-09T06:00"],
    ),
    Case(
        "every_half_hour_keeps_its_cadence",
        "*/30 * * * *",
        "America/New_York",
        "2026-03-08T06:15",
        ["2026-03-08T06:30", "2026-03-08T07:00", "2026-03-08T07:30"],
    ),
    Case(
        "a_star_in_the_minute_alone_skips_the_missing_hour",
        "*/15 2 * * *",
        "America/New_York",
        "2026-03-08T00:00",
        ["2026-03-09T06:00", "2026-03-09T06:15"],
    ),
    Case(
        "lord_howe_half_an_hour",
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T00:00",
        ["2026-10-03T15:30", "2026-10-04T15:15"],
    ),
    Case(
        "cairo_at_midnight",
        "0 0 * * *",
        "Africa/Cairo",
        "2024-04-25T00:00",
        ["2024-04-25T22:00", "2024-04-26T21:00"],
    ),
    Case(
        "beirut_at_midnight",
        "30 0 * * *",
        "Asia/Beirut",
        "2026-03-28T00:00",
        ["2026-03-28T22:00", "2026-03-29T21:30"],
    ),
    Case(
        "sao_paulo_at_midnight_in_2018",
        "0 0 * * *",
        "America/Sao_Paulo",
        "2018-11-03T12:00",
        ["2018-11-04T03:00", "2018-11-05T02:00"],
    ),
    Case(
        "troll_two_hours",
        "30 1,2 * * *",
        "Antarctica/Troll",
        "2026-03-28T12:00",
        ["2026-03-29T01:00", "2026-03-29T23:30", "2026-03-30T00:30"],
    ),
    Case(
        "chatham_three_quarters_of_an_hour",
        "0 3 * * *",
        "Pacific/Chatham",
        "2026-09-26T00:00",
        ["2026-09-26T14:00", "2026-09-27T13:15"],
    ),
    Case(
        "dublin_negative_dst",
        "30 1 * * *",
        "Europe/Dublin",
        "2026-03-28T12:00",
        ["2026-03-29T01:00", "2026-03-30T00:30"],
    ),
    Case(
        "casablanca_after_ramadan",
        "30 2 * * *",
        "Africa/Casablanca",
        "2024-04-13T12:00",
        ["2024-04-14T02:00", "2024-04-15T01:30"],
    ),
    Case(
        "apia_skips_a_whole_day",
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00",
        ["2011-12-29T19:00", "2011-12-30T10:00", "2011-12-30T19:00", "2011-12-31T19:00"],
    ),
    Case(
        "apia_hourly_does_not_notice",
        "0 * * * *",
        "Pacific/Apia",
        "2011-12-30T08:30",
        ["2011-12-30T09:00", "2011-12-30T10:00", "2011-12-30T11:00"],
    ),
    Case(
        "apia_a_yearly_run_on_the_skipped_day",
        "0 0 30 12 *",
        "Pacific/Apia",
        "2011-12-01T00:00",
        ["2011-12-30T10:00", "2012-12-29T10:00"],
    ),
]

OVERLAPS = [
    Case(
        "new_york_runs_once_at_the_first_copy",
        "30 1 * * *",
        "America/New_York",
        "2026-10-31T12:00",
        ["2026-11-01T05:30", "2026-11-02T06:30"],
    ),
    Case(
        "asked_in_the_second_copy_the_next_is_tomorrow",
        "30 1 * * *",
        "America/New_York",
        "2026-11-01T06:15",
        ["2026-11-02T06:30"],
    ),
    Case(
        "hourly_runs_in_both_copies",
        "30 * * * *",
        "America/New_York",
        "2026-11-01T04:45",
        ["2026-11-01T05:30", "2026-11-01T06:30", "2026-11-01T07:30"],
    ),
    Case(
        "a_star_in_the_minute_alone_runs_in_both_copies",
        "*/30 1 * * *",
        "America/New_York",
        "2026-11-01T05:00",
        ["2026-11-01T05:30", "2026-11-01T06:00", "2026-11-01T06:30", "2026-11-02T06:00"],
    ),
    Case(
        "lord_howe_half_an_hour_fixed",
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T00:00",
        ["2026-04-04T14:45", "2026-04-05T15:15"],
    ),
    Case(
        "lord_howe_half_an_hour_cadence",
        "*/15 * * * *",
        "Australia/Lord_Howe",
        "2026-04-04T14:40",
        ["2026-04-04T14:45", "2026-04-04T15:00", "2026-04-04T15:15", "2026-04-04T15:30"],
    ),
    Case(
        "troll_two_hours",
        "30 1,2 * * *",
        "Antarctica/Troll",
        "2026-10-24T12:00",
        ["2026-10-24T23:30", "2026-10-25T00:30", "2026-10-26T01:30"],
    ),
    Case(
        "dublin_negative_dst",
        "30 1 * * *",
        "Europe/Dublin",
        "2026-10-24T12:00",
        ["2026-10-25T00:30", "2026-10-26T01:30"],
    ),
    Case(
        "casablanca_before_ramadan",
        "30 2 * * *",
        "Africa/Casablanca",
        "2024-03-09T12:00",
        ["2024-03-10T01:30", "2024-03-11T02:30"],
    ),
]

PARTIAL_HOURS = [
    Case("kathmandu", "0 6 * * *", "Asia/Kathmandu", "2026-01-01T00:00", ["2026-01-01T00:15"]),
    Case("chatham", "0 6 * * *", "Pacific/Chatham", "2026-01-01T00:00", ["2026-01-01T16:15"]),
    Case("st_johns", "0 9 * * *", "America/St_Johns", "2026-07-01T00:00", ["2026-07-01T11:30"]),
    Case("kolkata", "0 * * * *", "Asia/Kolkata", "2026-07-01T00:00", ["2026-07-01T00:30"]),
]
