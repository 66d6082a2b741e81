"""What a run is: its states, who may move it, and the identities that make a repeat harmless."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID


class RunStatus(StrEnum):
    """State of a run.

    - SCHEDULED: written, not started. Planned ahead, waiting for its instant, for a place of its
      workspace, or for another attempt. Set by plan, trigger and record.
    - IN_PROGRESS: a worker holds the lease. Set by lease; ended by record, or by rescue when the
      lease ran out.
    - SUCCESS, ERROR: the worker finished. Set by record.
    - SKIPPED: the period was not run, `reason` says why. Set by plan and by lease.
    - CANCELLED: somebody ended it, waiting or in progress, by itself or with its schedule,
      connector or workspace; or a change of its schedule ended it before it started. Set by cancel
      and replan. Planning takes it up again when it never started, nobody cancelled it by itself,
      and the changed schedule names the same period, which is not reached.
    """

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Tell whether no worker touches the run any more."""
        return self not in (RunStatus.SCHEDULED, RunStatus.IN_PROGRESS)


TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.SCHEDULED: frozenset({RunStatus.IN_PROGRESS, RunStatus.SKIPPED, RunStatus.CANCELLED}),
    RunStatus.IN_PROGRESS: frozenset(
        {RunStatus.SUCCESS, RunStatus.ERROR, RunStatus.CANCELLED, RunStatus.SCHEDULED}
    ),
    RunStatus.SUCCESS: frozenset(),
    RunStatus.ERROR: frozenset(),
    # Only while the instant is not reached: a changed schedule is planned anew, in the same row.
    RunStatus.SKIPPED: frozenset({RunStatus.SCHEDULED}),
    RunStatus.CANCELLED: frozenset({RunStatus.SCHEDULED, RunStatus.SKIPPED}),
}


class TriggerType(StrEnum):
    """What asked for a run."""

    CLOUD_TASK = "cloud_task"
    MANUAL = "manual"
    OAUTH_CALLBACK = "oauth_callback"
    WEBHOOK = "webhook"

    @property
    def is_interactive(self) -> bool:
        """Tell whether a person or a source waits for it, so that it overtakes scheduled runs."""
        return self is not TriggerType.CLOUD_TASK

    @property
    def is_personal(self) -> bool:
        """Tell whether a person asked for it by name, so that no schedule has a say in it."""
        return self in (TriggerType.MANUAL, TriggerType.OAUTH_CALLBACK)


class Reason(StrEnum):
    """Why a run ended other than by plain success."""

    OVERLAP = "overlap"
    COALESCED = "coalesced"
    MISSED_WINDOW = "missed_window"
    PAUSED = "paused"
    BLACKOUT = "blackout"
    BLACKOUT_CHANGED = "blackout_changed"
    ZONE_DATA_CHANGED = "zone_data_changed"
    SCHEDULE_CHANGED = "schedule_changed"
    SCHEDULE_DISABLED = "schedule_disabled"
    SCHEDULE_DELETED = "schedule_deleted"
    CONNECTOR_DISABLED = "connector_disabled"
    CONNECTOR_DELETED = "connector_deleted"
    WORKSPACE_DISABLED = "workspace_disabled"
    WORKSPACE_DELETED = "workspace_deleted"
    CANCELLED_BY_USER = "cancelled_by_user"
    CONNECTOR_UNAVAILABLE = "connector_unavailable"
    TIMED_OUT = "timed_out"
    AUTHORIZATION = "authorization"
    CONFIGURATION = "configuration"
    RATE_LIMITED = "rate_limited"
    SOURCE_UNAVAILABLE = "source_unavailable"
    DATASET_UNAVAILABLE = "dataset_unavailable"
    DATASET_BUSY = "dataset_busy"
    CURSOR_STUCK = "cursor_stuck"
    CURSOR_BACKWARDS = "cursor_backwards"
    SLICE_TOO_LONG = "slice_too_long"
    TOO_MANY_SLICES = "too_many_slices"
    DELETION_HELD = "deletion_held"
    INTERNAL = "internal"
    PARTIAL = "partial"


CANCELLATIONS: Mapping[Reason, str] = {
    Reason.PAUSED: "The run was cancelled: its schedule was paused.",
    Reason.CANCELLED_BY_USER: "A user cancelled the run.",
    Reason.SCHEDULE_DISABLED: "The run was cancelled: its schedule was disabled.",
    Reason.SCHEDULE_DELETED: "The run was cancelled: its schedule was deleted.",
    Reason.CONNECTOR_DISABLED: "The run was cancelled: its connector was disabled.",
    Reason.CONNECTOR_DELETED: "The run was cancelled: its connector was deleted.",
    Reason.WORKSPACE_DISABLED: "The run was cancelled: its workspace was disabled.",
    Reason.WORKSPACE_DELETED: "The run was cancelled: its workspace was deleted.",
}
"""Why a run that may have started was cancelled, as its schedule shows it."""


def scheduled_key(connector: UUID, period_at: datetime) -> str:
    """Return the idempotency key of one period of a connector: the nominal instant, in UTC."""
    return f"{connector}:{period_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def interactive_key(connector: UUID, trigger: TriggerType, request: UUID) -> str:
    """Return the idempotency key of one request for a run outside the schedule."""
    return f"{connector}:{trigger}:{request}"


def task_id(idempotency_key: str, generation: int) -> str:
    """Return the Cloud Tasks id of a run's task.

    Hashed, because sequential names slow Cloud Tasks down; with the generation, because a name
    that was used is refused for up to a day, also after its task was lost.
    """
    return sha256(f"{idempotency_key}:{generation}".encode()).hexdigest()
