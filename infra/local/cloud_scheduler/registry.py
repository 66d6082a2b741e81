"""All jobs by name: what the API changes, and what is to be sent when. No clock, no I/O."""

import base64
import binascii
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from grpc import StatusCode

from infra.local.cloud_scheduler import job as life
from infra.local.cloud_scheduler.checks import (
    MAX_PAGE_SIZE,
    check_job,
    location_of,
)
from infra.local.cloud_scheduler.masks import merged
from infra.local.cloud_scheduler.messages import (
    ENABLED,
    PAUSED,
    FieldMask,
    Job,
    JobMessage,
    Message,
    TargetMessage,
    set_instant,
)
from infra.local.emulator.errors import ApiError, invalid
from infra.local.emulator.messages import duration
from infra.local.emulator.names import check_location


class Event(StrEnum):
    """What the registry counts."""

    FIRED = "fired"
    """Executions that the schedule started."""
    FORCED = "forced"
    """Executions that RunJob started."""
    SKIPPED = "skipped"
    """Instants of a schedule that fell on an outstanding execution."""
    RETRIED = "retried"
    """Attempts after the first of an execution."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Attempts that the target did not acknowledge."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to send now, with all that it takes."""

    job_name: str
    serial: int
    """Tells this job from an earlier one of the same name."""
    attempt: life.Attempt
    target: TargetMessage
    deadline: timedelta


@dataclass(slots=True)
class _Entry:
    serial: int
    config: JobMessage
    state: life.JobState


class Registry:
    """The jobs. Every method that depends on time takes `now`; refusals raise `ApiError`."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._created = 0
        self.counts = Counter[Event]()

    def create(self, parent: str, wanted: JobMessage, new_id: str, now: datetime) -> JobMessage:
        """Add a job; `new_id` names it when the caller did not."""
        check_location(parent)
        name = wanted.name or f"{parent}/jobs/{new_id}"
        if location_of(name) != parent:
            raise invalid(f'The job name must start with the parent "{parent}".')
        if name in self._entries:
            raise ApiError(StatusCode.ALREADY_EXISTS, f"Job [{name}] already exists.")
        config = merged(Job(name=name), wanted, FieldMask())
        rule = check_job(config)
        set_instant(config.user_update_time, now)
        self._created += 1
        entry = _Entry(self._created, config, life.new_job(rule, now))
        self._entries[name] = entry
        return _view(entry)

    def update(self, wanted: JobMessage, mask: Message, now: datetime) -> JobMessage:
        """Replace the masked fields of a job; its next time counts from `now`."""
        entry = self._entry(wanted.name)
        config = merged(entry.config, wanted, mask)
        rule = check_job(config)
        set_instant(config.user_update_time, now)
        entry.config = config
        entry.state = life.change(entry.state, rule, now)
        return _view(entry)

    def get(self, name: str) -> JobMessage:
        """Return a job as a caller sees it."""
        return _view(self._entry(name))

    def page(self, parent: str, page_size: int, page_token: str) -> tuple[list[JobMessage], str]:
        """Return up to `page_size` jobs in the order of their names, and the next page's token."""
        check_location(parent)
        if page_size < 0:
            raise invalid("page_size must not be negative.")
        size = min(page_size or MAX_PAGE_SIZE, MAX_PAGE_SIZE)
        after = _name_in(page_token)
        prefix = f"{parent}/jobs/"
        names = sorted(name for name in self._entries if name.startswith(prefix) and name > after)
        shown = names[:size]
        token = _token_of(shown[-1]) if len(names) > size else ""
        return [_view(self._entries[name]) for name in shown], token

    def delete(self, name: str) -> None:
        """Remove a job; what is under way is not called back."""
        self._entry(name)
        del self._entries[name]

    def pause(self, name: str) -> JobMessage:
        """Stop an enabled job."""
        entry = self._entry(name)
        if entry.state.is_paused:
            raise ApiError(
                StatusCode.FAILED_PRECONDITION, f"Job [{name}] must be ENABLED to be paused."
            )
        entry.state = life.pause(entry.state)
        return _view(entry)

    def resume(self, name: str, now: datetime) -> JobMessage:
        """Let a paused job go on."""
        entry = self._entry(name)
        if not entry.state.is_paused:
            raise ApiError(
                StatusCode.FAILED_PRECONDITION, f"Job [{name}] must be PAUSED to be resumed."
            )
        entry.state = life.resume(entry.state, now)
        return _view(entry)

    def force(self, name: str, now: datetime) -> tuple[JobMessage, list[Delivery]]:
        """Start an execution of a job, also of one that is paused or running."""
        entry = self._entry(name)
        step = life.force(entry.state, now)
        self.counts[Event.FORCED] += 1
        return _view(entry), self._take(entry, step)

    def due(self, now: datetime) -> list[Delivery]:
        """Return everything that is to be sent at `now`, and move the jobs on."""
        deliveries: list[Delivery] = []
        for entry in self._entries.values():
            before = entry.state
            step = life.due(before, now)
            self.counts[Event.FIRED] += step.state.started - before.started
            self.counts[Event.SKIPPED] += step.state.skipped - before.skipped
            deliveries += self._take(entry, step)
        return deliveries

    def wake_at(self) -> datetime | None:
        """Return the next instant at which `due` has something to say."""
        instants = [entry.state.wake_at for entry in self._entries.values()]
        return min((each for each in instants if each is not None), default=None)

    def finish(self, delivery: Delivery, code: int, now: datetime) -> None:
        """Record how a delivery ended, as a google.rpc code; of a job that is gone, only count."""
        self.counts[Event.SUCCEEDED if code == life.OK else Event.FAILED] += 1
        entry = self._same_entry(delivery)
        if entry is not None:
            entry.state = life.finish(entry.state, delivery.attempt.execution, code, now)

    def forget(self, delivery: Delivery) -> None:
        """Drop the execution of a delivery that was lost on its way out."""
        entry = self._same_entry(delivery)
        if entry is not None:
            entry.state = life.forget(entry.state, delivery.attempt.execution)

    def stats(self) -> dict[str, int]:
        """Return how many jobs there are, what is outstanding, and all that was counted."""
        outstanding = sum(len(entry.state.executions) for entry in self._entries.values())
        counted = {event.value: self.counts[event] for event in Event}
        return {"jobs": len(self._entries), "outstanding": outstanding, **counted}

    def _entry(self, name: str) -> _Entry:
        location_of(name)
        entry = self._entries.get(name)
        if entry is None:
            raise ApiError(StatusCode.NOT_FOUND, "Job not found.")
        return entry

    def _same_entry(self, delivery: Delivery) -> _Entry | None:
        entry = self._entries.get(delivery.job_name)
        return entry if entry is not None and entry.serial == delivery.serial else None

    def _take(self, entry: _Entry, step: life.Step) -> list[Delivery]:
        entry.state = step.state
        self.counts[Event.RETRIED] += sum(attempt.number > 1 for attempt in step.attempts)
        return [
            Delivery(
                job_name=entry.config.name,
                serial=entry.serial,
                attempt=attempt,
                target=entry.config.http_target,
                deadline=duration(entry.config.attempt_deadline),
            )
            for attempt in step.attempts
        ]


def _view(entry: _Entry) -> JobMessage:
    view = Job()
    view.CopyFrom(entry.config)
    state = entry.state
    view.state = PAUSED if state.is_paused else ENABLED
    if state.wake_at is not None:
        set_instant(view.schedule_time, state.wake_at)
    if state.last_attempt_at is not None:
        set_instant(view.last_attempt_time, state.last_attempt_at)
    if state.last_code is not None:
        view.status.SetInParent()
        view.status.code = state.last_code
    return view


def _token_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_in(page_token: str) -> str:
    try:
        return base64.b64decode(page_token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid page token.") from error
