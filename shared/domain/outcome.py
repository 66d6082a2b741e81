"""What an attempt ended as: the value that says what to record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shared.domain.health import Trouble, Verdict, verdict_on
from shared.domain.retry import Retry
from shared.domain.run import Reason, RunStatus

MAX_ERROR_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Records that an attempt moved."""

    processed: int
    created: int
    updated: int
    failed: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What an attempt moved that does not end its run: the run goes on from `positions`."""

    counts: Counts
    positions: Mapping[str, object]
    metadata: Mapping[str, object]
    streams: Sequence[Mapping[str, str | None]] = ()


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
    shortfall: str | None = None
    """What a success lacks, as its schedule shows it."""
    retry_in: timedelta | None = None
    counts: Counts | None = None
    goes_on: bool = False
    has_got_on: bool = False
    """An attempt that waits, and has moved the run on as a slice does."""
    is_throttled: bool = False
    """A provider asked for the pause, and it spends no attempt."""
    connector_held_for: timedelta | None = None
    """For how long no other run of the connector starts."""
    positions: Mapping[str, object] | None = None
    """Where the next slice goes on, by stream; None leaves what is stored."""
    streams: Sequence[Mapping[str, str | None]] = ()
    """What became of single streams: `stream`, `status`, `error`, `fault`, `dataset_table`."""
    troubles: Sequence[Trouble] = ()
    """What streams of a success have met."""
    attempts_spent: int | None = None
    """How many of the run's attempts are spent from now on; None leaves what is stored."""
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def verdict(self) -> Verdict | None:
        """Return what the outcome says about the connector's health; None for nothing."""
        match self.status:
            case RunStatus.SUCCESS:
                return verdict_on(self.troubles)
            case RunStatus.ERROR:
                return verdict_on((Trouble(self.reason or Reason.INTERNAL, self.error or ""),))
            case _:
                return None

    @property
    def has_read_all(self) -> bool:
        """Tell whether the run has read each of its streams to the end.

        Records of them may have been rejected: they were read, and another run rejects them again.
        """
        return self.status is RunStatus.SUCCESS and not any(
            stream["status"] == "failed" for stream in self.streams
        )

    @property
    def shown_error(self) -> str | None:
        """Return what the schedule shows as its last error."""
        return self.error if self.shown_status == "failed" else self.shortfall

    @property
    def event_detail(self) -> Mapping[str, object]:
        """Return what the timeline says beside the kind of the event."""
        detail: dict[str, object] = {}
        if self.reason is not None:
            detail["reason"] = self.reason
        if self.error is not None or self.shortfall is not None:
            detail["error"] = self.error or self.shortfall
        if self.counts is not None:
            detail["records_processed"] = self.counts.processed
        return detail


def succeeded(
    counts: Counts,
    metadata: Mapping[str, object],
    *,
    streams: Sequence[Mapping[str, str | None]] = (),
    troubles: Sequence[Trouble] = (),
    shortfall: str | None = None,
) -> Outcome:
    """Return the outcome of a sync that reached its end; with a `shortfall` it is partial.

    `counts` are those of its last slice, `troubles` those of the streams that it left as they were.
    """
    return Outcome(
        status=RunStatus.SUCCESS,
        event="succeeded",
        shown_status="success" if shortfall is None else "partial",
        reason=None if shortfall is None else Reason.PARTIAL,
        shortfall=None if shortfall is None else bounded(shortfall),
        counts=counts,
        positions={},
        streams=streams,
        troubles=troubles,
        metadata=metadata,
    )


def goes_on(moved: Moved) -> Outcome:
    """Return the outcome of a slice that is not the last: all attempts are there again."""
    return Outcome(
        status=RunStatus.SCHEDULED,
        event="slice_completed",
        shown_status="running",
        counts=moved.counts,
        goes_on=True,
        positions=moved.positions,
        streams=moved.streams,
        attempts_spent=0,
        metadata=moved.metadata,
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


def waits_for_retry(
    reason: str,
    message: str,
    retry: Retry,
    *,
    attempt: int,
    moved: Moved | None = None,
    has_got_on: bool = False,
) -> Outcome:
    """Return the outcome of an attempt that failed for a while; the schedule still shows a run.

    `moved` is what it did nevertheless. If that `has_got_on`, it keeps its connector as a slice
    does, and `attempt` is the first of the next.
    """
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
        has_got_on=has_got_on,
        counts=None if moved is None else moved.counts,
        positions=None if moved is None else moved.positions,
        streams=() if moved is None else moved.streams,
        metadata={} if moved is None else moved.metadata,
    )


def bounded(message: str) -> str:
    """Return the message, cut to what the log row takes."""
    return message if len(message) <= MAX_ERROR_CHARS else f"{message[: MAX_ERROR_CHARS - 1]}…"
