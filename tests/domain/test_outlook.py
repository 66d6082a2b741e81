from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.outlook import Outlook, OutlookKind, ScheduleState, UnfinishedRun, outlook
from shared.domain.run import Reason, RunStatus
from shared.domain.schedule import UNTIL_RESUMED, BlackoutPolicy, Schedule
from tests.domain.schedule_values import (
    HOUR,
    MANUAL,
    OFFSET,
    REALTIME,
    cron,
    hours,
    oslo,
    schedule,
)

NOW = oslo("2026-03-02 14:01")
DUE = oslo("2026-03-02 14:00")
MONDAYS = schedule(NOW, recurrence=cron("0 2 * * mon"))
IDLE = ScheduleState(
    is_enabled=True, plan_error=None, pause_note=None, connector_status="connected", run=None
)


def with_run(at: datetime, **values: object) -> ScheduleState:
    """Return a state with a run whose period is at `at`, waiting unless told otherwise."""
    run = UnfinishedRun(
        status=RunStatus.SCHEDULED,
        period_at=at,
        not_before_at=at,
        is_admitted=False,
        started_at=None,
        attempt=0,
        max_attempts=5,
        reason=None,
    )
    return replace(IDLE, run=replace(run, **values))


def test_a_schedule_with_nothing_under_way_tells_its_next_run() -> None:
    at = oslo("2026-03-09 02:00")
    assert outlook(MONDAYS, IDLE, NOW) == Outlook(
        OutlookKind.PLANNED, "Next run on Monday 9 March 2026 at 02:00 (Europe/Oslo).", at, at
    )


def test_the_run_that_is_planned_already_is_the_next_one() -> None:
    wanted = schedule(oslo("2026-03-02 14:02"), recurrence=cron("* * * * *"))
    at = oslo("2026-03-02 14:02")
    assert outlook(wanted, with_run(at), NOW) == Outlook(
        OutlookKind.PLANNED, "Next run on Monday 2 March 2026 at 14:02 (Europe/Oslo).", at, at
    )


def test_a_run_in_progress_is_what_a_schedule_does_whatever_else_holds() -> None:
    state = with_run(DUE, status=RunStatus.IN_PROGRESS, started_at=DUE, attempt=2)
    expected = Outlook(
        OutlookKind.RUNNING,
        "Running since 14:00 on 2 March 2026 (Europe/Oslo), attempt 2 of 5.",
        DUE,
        DUE,
    )
    assert outlook(MONDAYS, state, NOW) == expected
    assert outlook(MONDAYS, replace(state, is_enabled=False), NOW) == expected
    paused = replace(MONDAYS, paused_until=UNTIL_RESUMED)
    assert outlook(paused, state, NOW) == expected
    unusable = replace(MONDAYS, connector_is_usable=False)
    assert outlook(unusable, replace(state, connector_status="disabled"), NOW) == expected


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.RATE_LIMITED, "the source asked for fewer requests"),
        (Reason.SOURCE_UNAVAILABLE, "the source was unavailable"),
        (Reason.INTERNAL, "something broke on our side"),
        ("dataset_unavailable", "the dataset was unavailable"),
        ("dataset_busy", "another load of the dataset was under way"),
        ("some_new_code", "some new code"),
        (None, "the worker fell silent"),
    ],
)
def test_a_run_that_waits_for_another_attempt_says_when_and_why(
    reason: str | None, words: str
) -> None:
    at = oslo("2026-03-02 14:03:41")
    state = with_run(DUE, not_before_at=at, started_at=DUE, attempt=2, reason=reason)
    assert outlook(MONDAYS, state, NOW) == Outlook(
        OutlookKind.RETRYING,
        "Retries at 14:03 on 2 March 2026 (Europe/Oslo), attempt 3 of 5;"
        f" the last one failed: {words}.",
        at,
        DUE,
    )


def test_a_pause_that_a_provider_asked_for_is_shown_although_no_attempt_is_spent() -> None:
    at = oslo("2026-03-02 14:45")
    state = with_run(DUE, not_before_at=at, started_at=DUE, attempt=0, reason="rate_limited")
    assert outlook(MONDAYS, state, NOW) == Outlook(
        OutlookKind.RETRYING,
        "Retries at 14:45 on 2 March 2026 (Europe/Oslo), attempt 1 of 5;"
        " the last one failed: the source asked for fewer requests.",
        at,
        DUE,
    )


def test_a_run_between_two_slices_is_running() -> None:
    since = oslo("2026-03-02 13:20")
    state = with_run(DUE, started_at=since, is_admitted=True)
    assert outlook(MONDAYS, state, NOW) == Outlook(
        OutlookKind.RUNNING,
        "Running since 13:20 on 2 March 2026 (Europe/Oslo), about to go on.",
        since,
        DUE,
    )


PLACE = "waiting for a place in its workspace"


@pytest.mark.parametrize(
    ("values", "waits"),
    [
        ({}, f"{PLACE}."),
        ({"is_admitted": True}, "about to start."),
        ({"period_at": None, "is_admitted": True}, "about to start."),
        (
            {"attempt": 1, "started_at": DUE, "reason": "rate_limited"},
            f"{PLACE}, attempt 2 of 5; the last one failed: the source asked for fewer requests.",
        ),
    ],
)
def test_a_run_whose_time_has_come_says_what_it_waits_for(
    values: dict[str, object], waits: str
) -> None:
    state = with_run(DUE, **values)
    text = f"Due since 14:00 on 2 March 2026 (Europe/Oslo) and {waits}"
    period_at = None if "period_at" in values else DUE
    assert outlook(MONDAYS, state, NOW) == Outlook(OutlookKind.QUEUED, text, DUE, period_at)


def test_a_period_that_planning_is_late_with_is_due() -> None:
    at = oslo("2026-03-02 02:00")
    late = schedule(oslo("2026-03-01 12:00"))
    assert outlook(late, IDLE, NOW) == Outlook(
        OutlookKind.QUEUED,
        "Due since 02:00 on 2 March 2026 (Europe/Oslo); the next tick plans it.",
        at,
        at,
    )


def test_a_blackout_window_that_holds_now_is_named_with_its_end_and_what_comes_after() -> None:
    closed = schedule(NOW, recurrence=cron("0 * * * *"), blackouts=(hours("13:00", "15:30"),))
    end, at = oslo("2026-03-02 15:30"), oslo("2026-03-02 16:00")
    assert outlook(closed, IDLE, NOW) == Outlook(
        OutlookKind.HALTED,
        'Halted by the blackout window "Nights" until Monday 2 March 2026 at 15:30'
        " (Europe/Oslo). Next run on Monday 2 March 2026 at 16:00 (Europe/Oslo).",
        end,
        at,
    )


def moved(**values: object) -> Schedule:
    return schedule(NOW, blackout_policy=BlackoutPolicy.MOVE, **values)


SPREAD = "a spread of 26 minutes 2 seconds"
NIGHTS = 'the blackout window "Nights"'


@pytest.mark.parametrize(
    ("wanted", "start", "moved_by"),
    [
        (
            schedule(NOW, spread=HOUR),
            "Tuesday 3 March 2026 at 02:26:02 (Europe/Oslo)",
            f", moved from 02:00 by {SPREAD}",
        ),
        (
            moved(blackouts=(hours("01:00", "05:30"),)),
            "Tuesday 3 March 2026 at 05:30 (Europe/Oslo)",
            f", moved from 02:00 by {NIGHTS}",
        ),
        (
            moved(recurrence=cron("0 22 * * *"), blackouts=(hours("21:00", "05:30"),)),
            "Tuesday 3 March 2026 at 05:30 (Europe/Oslo)",
            f", moved from 22:00 on Monday 2 March 2026 by {NIGHTS}",
        ),
        (
            moved(blackouts=(hours("01:00", "05:30"),), spread=HOUR),
            "Tuesday 3 March 2026 at 05:56:02 (Europe/Oslo)",
            f", moved from 02:00 by {NIGHTS} and {SPREAD}",
        ),
        (
            moved(blackouts=(hours("02:10", "05:30"),), spread=HOUR),
            "Tuesday 3 March 2026 at 05:30 (Europe/Oslo)",
            f", moved from 02:00 by {NIGHTS} and {SPREAD}",
        ),
        (
            schedule(NOW, blackouts=(hours("01:00", "05:30", days=("tuesday",)),)),
            "Wednesday 4 March 2026 at 02:00 (Europe/Oslo)",
            "",
        ),
        (
            schedule(oslo("2026-10-24 12:00"), recurrence=cron("30 2 25 10 *")),
            "Sunday 25 October 2026 at 02:30 (Europe/Oslo, UTC+02:00)",
            "",
        ),
        (
            schedule(NOW, recurrence=cron("0 2 * * *", "Asia/Kolkata")),
            "Tuesday 3 March 2026 at 02:00 (Asia/Kolkata)",
            "",
        ),
    ],
)
def test_the_next_run_says_when_it_starts_and_what_moved_it(
    wanted: Schedule, start: str, moved_by: str
) -> None:
    assert outlook(wanted, IDLE, NOW).text == f"Next run on {start}{moved_by}."


def test_a_planned_run_that_was_moved_says_so_too() -> None:
    period = oslo("2026-03-02 14:02")
    state = with_run(period, not_before_at=period + OFFSET)
    assert outlook(schedule(NOW, spread=HOUR), state, NOW).text == (
        f"Next run on Monday 2 March 2026 at 14:28:02 (Europe/Oslo), moved from 14:02 by {SPREAD}."
    )
    assert outlook(schedule(NOW), state, NOW).text == (
        "Next run on Monday 2 March 2026 at 14:28:02 (Europe/Oslo), moved from 14:02."
    )


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (None, "."),
        ("moving house", ": moving house."),
        ("Moving house!", ": Moving house!"),
    ],
)
def test_a_pause_says_when_it_ends_and_what_comes_then(note: str | None, said: str) -> None:
    until, following = oslo("2026-03-04 12:00"), oslo("2026-03-05 02:00")
    paused = schedule(NOW, paused_until=until)
    assert outlook(paused, replace(IDLE, pause_note=note), NOW) == Outlook(
        OutlookKind.HALTED,
        f"Halted until Wednesday 4 March 2026 at 12:00 (Europe/Oslo){said}"
        " Next run on Thursday 5 March 2026 at 02:00 (Europe/Oslo).",
        until,
        following,
    )


@pytest.mark.parametrize(
    ("until", "text"),
    [
        (UNTIL_RESUMED, "Halted until somebody resumes it: moving house."),
        (
            datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
            "Halted until somebody resumes it: moving house.",
        ),
        (
            datetime(9999, 12, 27, tzinfo=UTC),
            (
                "Halted until Monday 27 December 9999 at 01:00 (Europe/Oslo): moving house."
                " Next run on Monday 27 December 9999 at 02:00 (Europe/Oslo)."
            ),
        ),
    ],
)
def test_a_pause_that_only_a_person_ends_says_so(until: datetime, text: str) -> None:
    paused = schedule(NOW, paused_until=until)
    assert outlook(paused, replace(IDLE, pause_note="moving house"), NOW).text == text


def test_a_run_planned_for_the_end_of_a_pause_is_named_beside_it() -> None:
    until, at = oslo("2026-03-02 14:01:30"), oslo("2026-03-02 14:02")
    paused = schedule(at, paused_until=until)
    assert outlook(paused, with_run(at), NOW) == Outlook(
        OutlookKind.HALTED,
        "Halted until Monday 2 March 2026 at 14:01:30 (Europe/Oslo)."
        " Next run on Monday 2 March 2026 at 14:02 (Europe/Oslo).",
        until,
        at,
    )


def test_a_pause_that_is_over_halts_nothing() -> None:
    over = schedule(NOW, paused_until=NOW)
    assert outlook(over, IDLE, NOW).kind is OutlookKind.PLANNED


def test_what_waits_already_is_not_halted_by_a_pause() -> None:
    paused = schedule(NOW, paused_until=UNTIL_RESUMED)
    assert outlook(paused, with_run(DUE), NOW).kind is OutlookKind.QUEUED
    retry = with_run(NOW + HOUR, started_at=DUE, attempt=1)
    assert outlook(paused, retry, NOW).kind is OutlookKind.RETRYING


STATES = {
    OutlookKind.DISABLED: (
        schedule(NOW),
        replace(IDLE, is_enabled=False),
        "Disabled: it runs only when it is triggered.",
    ),
    OutlookKind.MANUAL: (schedule(NOW, recurrence=MANUAL), IDLE, "Runs when it is triggered."),
    OutlookKind.REALTIME: (
        schedule(NOW, recurrence=REALTIME),
        IDLE,
        "Runs when the source reports a change.",
    ),
    OutlookKind.SET_ASIDE: (
        schedule(NOW),
        replace(IDLE, plan_error="cron_expression: it never fires"),
        "Set aside until it is edited: cron_expression: it never fires.",
    ),
}


@pytest.mark.parametrize("kind", STATES)
def test_a_schedule_that_plans_nothing_says_why(kind: OutlookKind) -> None:
    wanted, state, text = STATES[kind]
    assert outlook(wanted, state, NOW) == Outlook(kind, text)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (
            "pending_authorization",
            "Its connector is not authorized yet: authorize it to start syncing.",
        ),
        (
            "needs_reauthorization",
            "Its connector lost its authorization: authorize it again to go on.",
        ),
        ("disabled", "Its connector is disabled: enable it to go on."),
    ],
)
def test_a_connector_that_cannot_be_used_is_told_with_what_to_do(status: str, text: str) -> None:
    unusable = schedule(NOW, connector_is_usable=False)
    state = replace(IDLE, connector_status=status)
    assert outlook(unusable, state, NOW) == Outlook(OutlookKind.UNAVAILABLE, text)
    manual = replace(unusable, recurrence=MANUAL)
    assert outlook(manual, state, NOW).kind is OutlookKind.UNAVAILABLE


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_run_that_will_be_skipped_is_not_promised(attempt: int) -> None:
    unusable = schedule(NOW, connector_is_usable=False)
    for at in (DUE, NOW + HOUR):
        state = replace(with_run(at, attempt=attempt), connector_status="needs_reauthorization")
        assert outlook(unusable, state, NOW).kind is OutlookKind.UNAVAILABLE


def test_a_schedule_that_planning_will_set_aside_says_so_already() -> None:
    broken = schedule(NOW, recurrence=cron("0 2 * * *", "Mars/Olympus"))
    assert outlook(broken, IDLE, NOW) == Outlook(
        OutlookKind.SET_ASIDE,
        "Set aside until it is edited: timezone: 'Mars/Olympus' is not a time zone.",
    )
    running = with_run(DUE, status=RunStatus.IN_PROGRESS, started_at=DUE, attempt=1)
    assert outlook(broken, running, NOW).text == (
        "Running since 13:00 on 2 March 2026 (UTC), attempt 1 of 5."
    )


def test_a_schedule_that_blackout_windows_never_let_run_says_so() -> None:
    halted = outlook(schedule(NOW, blackouts=(hours("01:00", "04:00"),)), IDLE, NOW)
    assert halted == Outlook(
        OutlookKind.HALTED,
        "Halted by blackout windows: every period up to Tuesday 21 April 2026 at 02:00"
        " (Europe/Oslo) lies in one.",
    )


def test_a_recurrence_whose_times_no_clock_shows_says_so() -> None:
    never = schedule(NOW, recurrence=cron("* 2 * 3 sun#5"))
    text = "No run is in sight: its recurrence names no time to come."
    assert outlook(never, IDLE, NOW) == Outlook(OutlookKind.HALTED, text)
