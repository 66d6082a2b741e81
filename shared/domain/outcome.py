"""What an attempt ended as: the value that says what to record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.domain.retry import Retry
from shared.domain.run import RunStatus

MAX_ERROR_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Records that an attempt moved."""

    processed: int
    created: int
    updated: int
    failed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an attempt, or with status SCHEDULED the wait for the next one.

    With `goes_on` it is a slice after which its run goes on at once, from `positions`.
    """

    status: RunStatus
    event: str
    shown_status: str
    reason: str | None = None
    error: str | None = None
    retry_in: timedelta | None = None
    counts: Counts | None = None
    goes_on: bool = False
    is_throttled: bool = False
    """A provider asked for the pause, and it spends no attempt."""
    connector_held_for: timedelta | None = None
    """For how long no other run of the connector starts."""
    positions: Mapping[str, object] | None = None
    """Where the next slice goes on, by stream; None leaves what is stored."""
    attempts_spent: int | None = None
    """How many of the run's attempts are spent from now on; None leaves what is stored."""
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def shown_error(self) -> str | None:
        """Return what the schedule shows as its last error."""
        return self.error if self.shown_status in ("failed", "partial") else None

    @property
    def event_detail(self) -> Mapping[str, object]:
        """Return what the timeline says beside the kind of the event."""
        detail: dict[str, object] = {}
        if self.reason is not None:
            detail["reason"] = self.reason
        if self.error is not None:
            detail["error"] = self.error
        if self.counts is not None:
            detail["records_processed"] = self.counts.processed
        return detail


def succeeded(counts: Counts, metadata: Mapping[str, object], *, failed_before: int = 0) -> Outcome:
    """Return the outcome of a sync that reached its end; rejected records make it partial.

    `counts` are those of its last slice; `failed_before` were rejected in slices before it.
    """
    partial = counts.failed + failed_before > 0
    return Outcome(
        status=RunStatus.SUCCESS,
        event="succeeded",
        shown_status="partial" if partial else "success",
        counts=counts,
        positions={},
        metadata=metadata,
    )


def goes_on(
    counts: Counts, metadata: Mapping[str, object], positions: Mapping[str, object]
) -> Outcome:
    """Return the outcome of a slice that is not the last: all attempts are there again."""
    return Outcome(
        status=RunStatus.SCHEDULED,
        event="slice_completed",
        shown_status="running",
        counts=counts,
        goes_on=True,
        positions=positions,
        attempts_spent=0,
        metadata=metadata,
    )


def failed(reason: str, message: str) -> Outcome:
    """Return the outcome of a run that is not tried again."""
    return Outcome(
        status=RunStatus.ERROR,
        event="failed",
        shown_status="failed",
        reason=reason,
        error=bounded(message),
    )


def waits_for_retry(reason: str, message: str, retry: Retry, *, attempt: int) -> Outcome:
    """Return the outcome of an attempt that failed for a while; the schedule still shows a run."""
    return Outcome(
        status=RunStatus.SCHEDULED,
        event="waits_for_retry",
        shown_status="running",
        reason=reason,
        error=bounded(message),
        retry_in=retry.wait,
        is_throttled=not retry.spends_attempt,
        connector_held_for=retry.asked_for,
        attempts_spent=attempt if retry.spends_attempt else attempt - 1,
    )


def bounded(message: str) -> str:
    """Return the message, cut to what the log row takes."""
    return message if len(message) <= MAX_ERROR_CHARS else f"{message[: MAX_ERROR_CHARS - 1]}…"
