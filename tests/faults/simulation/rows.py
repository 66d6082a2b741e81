"""What the simulated tables hold: schedules with their connectors, and runs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.blackout import BlackoutWindow
from shared.domain.recurrence import Recurrence
from shared.domain.run import RunStatus, TriggerType
from shared.domain.schedule import (
    BlackoutPolicy,
    MissedRunPolicy,
    OverlapPolicy,
    RecurrenceFields,
    Schedule,
    build_recurrence,
)


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the log; its id is also its place in the table."""

    id: int
    workspace_id: int
    schedule_id: int
    """Also the connector, which has exactly one schedule."""
    trigger: TriggerType
    key: str
    period_at: datetime | None
    not_before_at: datetime
    max_attempts: int
    status: RunStatus = RunStatus.SCHEDULED
    reason: str | None = None
    count: int = 1
    last_period_at: datetime | None = None
    attempt: int = 0
    fence: int = 0
    generation: int = 0
    slices: int = 0
    lost_tasks: int = 0
    throttled_since: datetime | None = None
    connector_held_until: datetime | None = None
    admitted_at: datetime | None = None
    enqueued_at: datetime | None = None
    leased_at: datetime | None = None
    lease_expires_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def has_started(self) -> bool:
        """Tell whether a worker ever held the run."""
        return self.started_at is not None

    @property
    def is_between_slices(self) -> bool:
        """Tell whether the run waits, with slices behind it: it keeps its connector."""
        return self.status is RunStatus.SCHEDULED and self.slices > 0

    def is_put_off(self, now: datetime) -> bool:
        """Tell whether the run waits because its provider asked to be left alone."""
        until = self.connector_held_until
        return self.status is RunStatus.SCHEDULED and until is not None and until > now

    def keeps_connector_from(self, other: "Run", now: datetime) -> bool:
        """Tell whether the run, which waits, lets another of its connector not start.

        Of two runs with slices the older one goes on.
        """
        goes_first = self.is_between_slices and (other.slices == 0 or self.id < other.id)
        return self.id != other.id and (goes_first or self.is_put_off(now))

    @property
    def place(self) -> tuple[bool, datetime, int]:
        """Return what runs are ordered by when they wait for a place of their workspace."""
        return (not self.trigger.is_interactive, self.not_before_at, self.id)

    def __str__(self) -> str:
        period = f"{self.period_at:%m-%d %H:%M}" if self.period_at else self.trigger
        return f"run {self.id} of {self.schedule_id} [{period}]"


@dataclass(slots=True)
class Workspace:
    """A tenant: how much of it runs at once, and when nothing of it may start."""

    id: int
    max_concurrent_syncs: int
    windows: tuple[BlackoutWindow, ...] = ()


@dataclass(slots=True)
class Span:
    """While it was the schedule's, this recurrence named its periods: after `start`, to `end`."""

    start: datetime
    recurrence: Recurrence
    end: datetime | None = None


@dataclass(slots=True)
class ScheduleRow:
    """A schedule and its connector. People change the settings, planning the marks."""

    id: int
    workspace: Workspace
    connector: UUID
    fields: RecurrenceFields
    missed_run_policy: MissedRunPolicy
    overlap_policy: OverlapPolicy
    blackout_policy: BlackoutPolicy
    catch_up_window: timedelta
    spread: timedelta
    max_attempts: int
    planned_through: datetime | None
    next_scheduled_at: datetime | None = None
    is_enabled: bool = True
    has_authorization: bool = True
    """Of the connector: it may run out, and be renewed, while nobody plans anew."""
    has_connector_enabled: bool = True
    paused_until: datetime | None = None
    is_locked: bool = False
    """A tick holds the row in its transaction."""
    highest_mark: datetime | None = None
    """The rules' own memory: the mark itself is empty while the schedule is disabled."""
    spans: list[Span] = field(default_factory=list)
    """The rules' own memory of what the schedule was."""

    @property
    def is_usable(self) -> bool:
        """Tell whether runs of the connector may start."""
        return self.has_authorization and self.has_connector_enabled

    @property
    def recurrence(self) -> Recurrence | None:
        """Return what names the periods; None for manual and realtime schedules."""
        return build_recurrence(self.fields)

    @property
    def is_planned(self) -> bool:
        """Tell whether ticks look at the schedule."""
        return self.is_enabled and self.fields.frequency.has_recurrence

    def as_schedule(self, mark: datetime) -> Schedule:
        """Return what planning gets to see, with this mark."""
        return Schedule(
            id=self.id,
            workspace_id=self.workspace.id,
            connector_id=self.id,
            connector_public_id=self.connector,
            connector_is_usable=self.is_usable,
            recurrence=self.fields,
            missed_run_policy=self.missed_run_policy,
            catch_up_window=self.catch_up_window,
            spread=self.spread,
            blackout_policy=self.blackout_policy,
            blackouts=self.workspace.windows,
            paused_until=self.paused_until,
            planned_through=mark,
        )
