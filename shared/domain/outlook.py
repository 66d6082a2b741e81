"""What happens next with a schedule, in one sentence that a person can trust."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.blackout import blackout_at
from shared.domain.local_time import load_zone
from shared.domain.next_run import find_next_run
from shared.domain.run import Reason, RunStatus
from shared.domain.schedule import UNTIL_RESUMED, Frequency, Schedule, build_recurrence
from shared.domain.spread import spread_offset
from shared.domain.time_words import day_and_time, duration, time_and_day, time_beside
from shared.errors import RecurrenceError


class OutlookKind(StrEnum):
    """What is next.

    - RUNNING: a run of the connector is in progress.
    - RETRYING: a run waits for the instant of its next attempt.
    - QUEUED: the instant of a run has come; it waits for its place, or to be planned.
    - PLANNED: the next run is to come.
    - HALTED: a pause, or blackout windows, let nothing run for now.
    - DISABLED, MANUAL, REALTIME: nothing is planned, as somebody set it.
    - SET_ASIDE: the schedule cannot be planned until it is edited.
    - UNAVAILABLE: the connector cannot be synced until it is mended.
    """

    RUNNING = "running"
    RETRYING = "retrying"
    QUEUED = "queued"
    PLANNED = "planned"
    HALTED = "halted"
    DISABLED = "disabled"
    MANUAL = "manual"
    REALTIME = "realtime"
    SET_ASIDE = "set_aside"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """The run of a connector that is in progress, or else the first one that waits."""

    status: RunStatus
    """SCHEDULED or IN_PROGRESS."""
    period_at: datetime | None
    """None for a run that no schedule named."""
    not_before_at: datetime
    is_admitted: bool
    """It holds a place of its workspace."""
    started_at: datetime | None
    """Of its first attempt."""
    attempt: int
    max_attempts: int
    reason: str | None
    """Why the last attempt failed; None also when its worker fell silent."""

    @property
    def is_between_slices(self) -> bool:
        """Tell whether the last attempt got on and the next goes on: nothing failed."""
        is_waiting = self.status is RunStatus.SCHEDULED and self.started_at is not None
        return is_waiting and self.attempt == 0 and self.reason is None


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What the database knows of a schedule beside its settings."""

    is_enabled: bool
    plan_error: str | None
    pause_note: str | None
    connector_status: str
    run: UnfinishedRun | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is next, in a sentence."""

    kind: OutlookKind
    text: str
    at: datetime | None = None
    """The instant that the sentence names first."""
    period_at: datetime | None = None
    """Of the run that the sentence names, when that run has one."""


_UNAVAILABLE: Mapping[str, str] = {
    "pending_authorization": "Its connector is not authorized yet: authorize it to start syncing.",
    "needs_reauthorization": "Its connector lost its authorization: authorize it again to go on.",
    "disabled": "Its connector is disabled: enable it to go on.",
}

_FAILURES: Mapping[str, str] = {
    Reason.RATE_LIMITED: "the source asked for fewer requests",
    Reason.SOURCE_UNAVAILABLE: "the source was unavailable",
    Reason.INTERNAL: "something broke on our side",
    Reason.DATASET_UNAVAILABLE: "the dataset was unavailable",
    Reason.DATASET_BUSY: "another load of the dataset was under way",
}


UNPLANNED: Mapping[Frequency, Outlook] = {
    Frequency.MANUAL: Outlook(OutlookKind.MANUAL, "Runs when it is triggered."),
    Frequency.REALTIME: Outlook(OutlookKind.REALTIME, "Runs when the source reports a change."),
}
"""Of the frequencies that have no recurrence."""


def is_paused(schedule: Schedule, now: datetime) -> bool:
    """Tell whether a pause holds at `now`."""
    return schedule.paused_until is not None and now < schedule.paused_until


def outlook(schedule: Schedule, state: ScheduleState, now: datetime) -> Outlook:
    """Say what will happen next with a schedule, with local times of its zone.

    The next run is the one that is planned already if there is one, else what planning would make
    of the coming periods.
    """
    try:
        return _of_run(schedule, state.run, now) or _of_schedule(schedule, state, now)
    except RecurrenceError as error:
        # The next tick will set it aside for the same reason.
        return _set_aside(str(error))


def _of_run(schedule: Schedule, run: UnfinishedRun | None, now: datetime) -> Outlook | None:
    """Tell of a run that is under way or waits, unless its start is only planned."""
    if run is not None and run.status is RunStatus.IN_PROGRESS:
        since = run.started_at or run.not_before_at
        text = f"Running since {_brief(schedule, since)}, {_attempt(run.attempt, run)}."
        return Outlook(OutlookKind.RUNNING, text, since, run.period_at)
    # What waits for a connector that cannot be used is skipped when its time comes.
    if run is None or not schedule.connector_is_usable:
        return None
    if run.is_between_slices:
        since = run.started_at or run.not_before_at
        text = f"Running since {_brief(schedule, since)}, about to go on."
        return Outlook(OutlookKind.RUNNING, text, since, run.period_at)
    at, when = run.not_before_at, _brief(schedule, run.not_before_at)
    has_started = run.started_at is not None
    failed = f", {_attempt(run.attempt + 1, run)}; {_failure(run)}" if has_started else ""
    if at <= now:
        waits = "about to start" if run.is_admitted else "waiting for a place in its workspace"
        return Outlook(
            OutlookKind.QUEUED, f"Due since {when} and {waits}{failed}.", at, run.period_at
        )
    if has_started:
        return Outlook(OutlookKind.RETRYING, f"Retries at {when}{failed}.", at, run.period_at)
    return None


def _of_schedule(schedule: Schedule, state: ScheduleState, now: datetime) -> Outlook:
    run = state.run if schedule.connector_is_usable else None
    if run is not None:
        coming = _planned(schedule, run.period_at or run.not_before_at, run.not_before_at)
        return _halted(schedule, state, coming) if is_paused(schedule, now) else coming
    if not state.is_enabled:
        return Outlook(OutlookKind.DISABLED, "Disabled: it runs only when it is triggered.")
    if state.plan_error is not None:
        return _set_aside(state.plan_error)
    if not schedule.connector_is_usable:
        return Outlook(OutlookKind.UNAVAILABLE, _UNAVAILABLE[state.connector_status])
    return _of_recurrence(schedule, state, now)


def _of_recurrence(schedule: Schedule, state: ScheduleState, now: datetime) -> Outlook:
    recurrence = build_recurrence(schedule.recurrence)
    if recurrence is None:
        return UNPLANNED[schedule.recurrence.frequency]
    if schedule.paused_until is not None and schedule.paused_until >= UNTIL_RESUMED:
        return _halted(schedule, state, None)
    search = find_next_run(schedule, recurrence, now)
    if search.run is None:
        coming = _nothing(schedule, search.last_in_blackout_at)
    elif search.run.not_before_at <= now:
        coming = _overdue(schedule, search.run.period_at, search.run.not_before_at)
    else:
        coming = _planned(schedule, search.run.period_at, search.run.not_before_at)
    if is_paused(schedule, now):
        return _halted(schedule, state, coming)
    return _in_blackout(schedule, coming, now) or coming


def _in_blackout(schedule: Schedule, coming: Outlook, now: datetime) -> Outlook | None:
    """Tell of the blackout window that holds at `now`, if one does, and of what comes after it."""
    blackout = blackout_at(schedule.blackouts, now)
    if blackout is None or blackout.ends_at is None or coming.kind is OutlookKind.HALTED:
        return None
    end = day_and_time(blackout.ends_at, _timezone(schedule))
    text = f'Halted by the blackout window "{blackout.name}" until {end}. {coming.text}'
    return Outlook(OutlookKind.HALTED, text, blackout.ends_at, coming.period_at)


def _halted(schedule: Schedule, state: ScheduleState, coming: Outlook | None) -> Outlook:
    until = schedule.paused_until
    if until is None or until >= UNTIL_RESUMED:
        at, end = None, "somebody resumes it"
    else:
        at, end = until, day_and_time(until, _timezone(schedule))
    note = f": {state.pause_note}" if state.pause_note else ""
    following = "" if coming is None else f" {coming.text}"
    text = f"{_sentence(f'Halted until {end}{note}')}{following}"
    return Outlook(OutlookKind.HALTED, text, at, None if coming is None else coming.period_at)


def _planned(schedule: Schedule, period_at: datetime, starts_at: datetime) -> Outlook:
    timezone = _timezone(schedule)
    text = f"Next run on {day_and_time(starts_at, timezone)}"
    if starts_at != period_at:
        nominal = time_beside(period_at, starts_at, timezone)
        causes = " and ".join(_causes(schedule, period_at, starts_at))
        text = f"{text}, moved from {nominal}{causes and f' by {causes}'}"
    return Outlook(OutlookKind.PLANNED, f"{text}.", starts_at, period_at)


def _causes(schedule: Schedule, period_at: datetime, starts_at: datetime) -> Iterator[str]:
    """Name what moves a start away from its period, as far as the settings tell."""
    offset = spread_offset(schedule.connector_public_id, schedule.spread)
    if starts_at != period_at + offset:
        blackout = blackout_at(schedule.blackouts, period_at) or blackout_at(
            schedule.blackouts, period_at + offset
        )
        if blackout is not None:
            yield f'the blackout window "{blackout.name}"'
    if offset:
        yield f"a spread of {duration(offset)}"


def _overdue(schedule: Schedule, period_at: datetime, starts_at: datetime) -> Outlook:
    text = f"Due since {_brief(schedule, starts_at)}; the next tick plans it."
    return Outlook(OutlookKind.QUEUED, text, starts_at, period_at)


def _nothing(schedule: Schedule, last_in_blackout_at: datetime | None) -> Outlook:
    if last_in_blackout_at is None:
        return Outlook(
            OutlookKind.HALTED, "No run is in sight: its recurrence names no time to come."
        )
    last = day_and_time(last_in_blackout_at, _timezone(schedule))
    text = f"Halted by blackout windows: every period up to {last} lies in one."
    return Outlook(OutlookKind.HALTED, text)


def _set_aside(error: str) -> Outlook:
    return Outlook(OutlookKind.SET_ASIDE, _sentence(f"Set aside until it is edited: {error}"))


def _failure(run: UnfinishedRun) -> str:
    words = "the worker fell silent"
    if run.reason is not None:
        words = _FAILURES.get(run.reason, run.reason.replace("_", " "))
    return f"the last one failed: {words}"


def _attempt(number: int, run: UnfinishedRun) -> str:
    return f"attempt {number} of {run.max_attempts}"


def _brief(schedule: Schedule, instant: datetime) -> str:
    return time_and_day(instant, _timezone(schedule))


def _timezone(schedule: Schedule) -> str:
    """Return the zone for a person's eyes: a run is told of also when the zone is none."""
    try:
        load_zone(schedule.recurrence.timezone)
    except RecurrenceError:
        return "UTC"
    return schedule.recurrence.timezone


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
