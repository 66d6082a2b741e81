"""The attempts of a run, as its timeline tells them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class AttemptEnd(StrEnum):
    """What became of an attempt; the kinds of the timeline's lines that end one.

    - SUCCEEDED, FAILED: the run ended with it.
    - SLICE_COMPLETED: it got on, and the run goes on in another task.
    - WAITS_FOR_RETRY: it failed, and another follows.
    - LEASE_EXPIRED: its worker fell silent.
    - CANCELLED: somebody ended the run meanwhile.
    - SKIPPED: the run could not go on after it, since its connector cannot be used.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SLICE_COMPLETED = "slice_completed"
    WAITS_FOR_RETRY = "waits_for_retry"
    LEASE_EXPIRED = "lease_expired"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One line of a timeline."""

    at: datetime
    kind: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a run by a worker."""

    number: int | None
    """Counted anew after each slice that got on."""
    slice: int
    """Which slice it worked on; the first is 1."""
    started_at: datetime
    ended_at: datetime | None = None
    end: AttemptEnd | None = None
    """None while it is in progress."""
    reason: str | None = None
    error: str | None = None
    records_processed: int | None = None


def attempts_of(timeline: Iterable[TimelineEvent]) -> list[Attempt]:
    """Return the attempts that a timeline, oldest line first, tells of.

    Of a timeline with a gap, those whose beginning is left out are left out too.
    """
    attempts: list[Attempt] = []
    is_open = False
    for event in timeline:
        if event.kind == "started":
            attempts.append(
                Attempt(
                    number=_whole(event.detail.get("attempt")),
                    slice=_whole(event.detail.get("slice")) or 1,
                    started_at=event.at,
                )
            )
            is_open = True
        elif is_open and event.kind in _ENDS:
            attempts[-1] = _ended(attempts[-1], event)
            is_open = False
    return attempts


_ENDS = frozenset(AttemptEnd)


def _ended(attempt: Attempt, event: TimelineEvent) -> Attempt:
    return replace(
        attempt,
        ended_at=event.at,
        end=AttemptEnd(event.kind),
        reason=_text(event.detail.get("reason")),
        error=_text(event.detail.get("error")),
        records_processed=_whole(event.detail.get("records_processed")),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
