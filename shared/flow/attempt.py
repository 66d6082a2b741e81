"""One attempt of one run by a worker: lease, sync, record, hand the place over.

Being called twice, late, or beside another worker is normal: the lease decides who works, the
fence decides whose result counts, and every refusal is an answer and not an error.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Self, assert_never

from sqlalchemy import Engine

from shared.clock import monotonic
from shared.config import Settings
from shared.crash_points import CrashPoint, reach
from shared.domain.lease import RefusedLease, Wait, decide_refused
from shared.domain.outcome import Outcome
from shared.domain.run import Reason, RunStatus, TriggerType
from shared.domain.schedule import OverlapPolicy
from shared.domain.slice_time import reading_time
from shared.domain.task import DISPATCH_DEADLINE, TaskCall
from shared.egress.addresses import AddressPolicy
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.flow.enqueue import enqueue_runs
from shared.flow.heartbeat import Hold, heartbeat
from shared.flow.oauth_tokens import tokens_of
from shared.flow.record import record
from shared.flow.sync import Finished, SyncJob, run_sync
from shared.gcp.sealing import WrappingKey
from shared.logs import log_event
from shared.store.attempts import Recorded, lease_run, put_run_back, skip_run
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.runs import admit_runs
from shared.store.ticks import as_of

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_EARLY = timedelta(seconds=2)
"""Cloud Tasks' clock may be ahead of the database's by this much."""
LONGEST_ATTEMPT = DISPATCH_DEADLINE
"""Cloud Tasks waits no longer either: after it, a worker that hangs loses its lease."""
ALERT_DRIFT = timedelta(minutes=5)


class AttemptResult(StrEnum):
    """What a delivery came to; the worker answers 200 to all of them."""

    RECORDED = "recorded"
    LEASE_LOST = "lease_lost"
    SKIPPED = "skipped"
    PUT_BACK = "put_back"
    NOTHING_TO_DO = "nothing_to_do"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a worker works with."""

    engine: Engine
    queue: "CloudTasksQueue"
    key: WrappingKey | None
    dataset_url: str = field(repr=False)
    lease: timedelta
    slice: timedelta = timedelta(minutes=20)
    """How long a slice may take: a part of it to read, the rest to load what was read."""
    guard: Guard = field(default_factory=Guard)
    """The way to the hosts that tenants name."""
    files: FilesRoot = field(default_factory=FilesRoot)
    """The way to the files that they name."""

    @classmethod
    def of(
        cls, engine: Engine, queue: "CloudTasksQueue", key: WrappingKey | None, settings: Settings
    ) -> Self:
        """Return what a worker of this deployment works with."""
        guard = Guard(AddressPolicy(settings.allowed_networks))
        return cls(
            engine,
            queue,
            key,
            settings.dataset_url,
            settings.lease,
            settings.slice,
            guard,
            FilesRoot(settings.files_root),
        )


def attempt_run(
    workshop: Workshop, call: TaskCall, *, is_cold: bool = False, now: datetime | None = None
) -> AttemptResult:
    """Do one slice of the run that a task names, if it is there to be done.

    `is_cold` tells that the task is the first that this instance of the worker serves.
    """
    with workshop.engine.begin() as connection:
        facts = lease_run(
            connection, call, lease=workshop.lease, early=_EARLY, is_cold=is_cold, now=now
        )
        refused = None
        if facts is not None and facts["fence"] is None:
            refused = decide_refused(_refused(facts))
            match refused:
                case Reason():
                    skip_run(connection, facts["id"], refused, now=now)
                case Wait():
                    put_run_back(
                        connection, facts["id"], refused, generation=call.generation, now=now
                    )
                case None:
                    pass
                case _:
                    assert_never(refused)
    if facts is None or facts["fence"] is None:
        # A run that found no room must not take the place that it just gave back.
        if facts is not None and refused not in (None, Wait.NO_ROOM):
            _hand_over(workshop, facts["workspace_id"], now)
        return _log_refused(call, facts, refused)
    reach(CrashPoint.LEASED)
    return _work(workshop, facts, is_cold, now)


def _hand_over(workshop: Workshop, workspace_id: int, now: datetime | None) -> None:
    """Give the place of a run that did not start to the next of its workspace."""
    with single_statements(workshop.engine) as connection:
        at = as_of(connection, now)
        admitted = admit_runs(connection, now=at, horizon=at, page=1, workspace_id=workspace_id)
    enqueue_runs(workshop.engine, workshop.queue, admitted, now=now)


def _work(workshop: Workshop, facts: Row, is_cold: bool, now: datetime | None) -> AttemptResult:
    lines = Lines()
    job = SyncJob(
        facts,
        workshop.dataset_url,
        workshop.key,
        workshop.guard,
        lines,
        workshop.files,
        tokens_of(workshop.engine, workshop.key, workshop.guard, facts),
    )
    _log_started(facts, is_cold=is_cold)
    reading = reading_time(workshop.slice, facts["attempt"], facts["metadata"])
    read_until = monotonic() + reading.total_seconds()
    hold = Hold(facts["id"], facts["public_id"], facts["fence"], workshop.lease, LONGEST_ATTEMPT)
    with heartbeat(workshop.engine, hold, lines.cut) as beating:

        def has_time() -> bool:
            beating.require_held()
            return monotonic() < read_until

        finished = run_sync(job, beating.confirm, has_time)
        reach(CrashPoint.SYNCED)
        # With the heartbeat still on: recording may have to wait for the database.
        recorded = None if finished is None else _record(workshop, hold, facts, finished, now)
    if finished is None:
        log_event(
            _log,
            logging.WARNING,
            "lease_lost",
            "The run is not this worker's any more: it was cancelled, or another has taken it over",
            **_ids(facts),
        )
        return AttemptResult.LEASE_LOST
    outcome, _ = finished
    reach(CrashPoint.RECORDED)
    if recorded is None:
        log_event(
            _log,
            logging.WARNING,
            "record_refused",
            "The result was refused: the run was cancelled, or another worker has taken it over",
            **_ids(facts),
        )
        return AttemptResult.LEASE_LOST
    _log_outcome(facts, outcome, recorded.duration)
    if recorded.to_enqueue is not None:
        enqueue_runs(workshop.engine, workshop.queue, [recorded.to_enqueue], now=now)
        reach(CrashPoint.HANDED_OVER)
    return AttemptResult.RECORDED


def _record(
    workshop: Workshop, hold: Hold, facts: Row, finished: Finished, now: datetime | None
) -> Recorded | None:
    outcome, watermarks = finished
    return record(workshop.engine, hold, outcome, watermarks, attempt=facts["attempt"], now=now)


def _refused(facts: Row) -> RefusedLease:
    return RefusedLease(
        status=RunStatus(facts["status"]),
        is_stale=facts["is_stale"],
        has_slices=facts["slices"] > 0,
        trigger_type=TriggerType(facts["trigger_type"]),
        overlap_policy=OverlapPolicy(facts["overlap_policy"]),
        connector_is_usable=facts["connector_is_usable"],
        is_too_early=facts["is_too_early"],
        is_halted=facts["is_halted"],
        overlaps=facts["overlaps"],
        another_waits=facts["another_waits"],
    )


def _log_refused(call: TaskCall, facts: Row | None, refused: Reason | Wait | None) -> AttemptResult:
    level, reason = logging.INFO, str(refused or "not_waiting")
    match refused:
        case Reason():
            result, sentence = AttemptResult.SKIPPED, "The run was skipped"
        case Wait():
            result, sentence = AttemptResult.PUT_BACK, "The run waits in the table"
        case None:
            result, sentence = AttemptResult.NOTHING_TO_DO, "The task had nothing to do"
            if facts is None:
                level, reason = logging.WARNING, "unknown_run"
            elif facts["is_stale"]:
                level, reason = logging.WARNING, "stale_generation"
        case _:
            assert_never(refused)
    log_event(
        _log,
        level,
        f"run_{result}",
        sentence,
        run_id=call.run,
        workspace_named=call.workspace,
        generation=call.generation,
        reason=reason,
    )
    return result


def _log_started(facts: Row, *, is_cold: bool) -> None:
    drift = max(facts["leased_at"] - facts["not_before_at"], timedelta(0))
    is_first = not facts["has_started"]
    log_event(
        _log,
        logging.INFO,
        "run_started",
        "Run started",
        **_ids(facts),
        trigger=facts["trigger_type"],
        attempt=facts["attempt"],
        slice=facts["slices"] + 1,
        cold_start=is_cold,
        drift_ms=drift // timedelta(milliseconds=1) if is_first else None,
    )
    if is_first and drift > ALERT_DRIFT:
        log_event(
            _log,
            logging.ERROR,
            "drift_alert",
            "A run started more than 5 minutes late",
            **_ids(facts),
            drift_ms=drift // timedelta(milliseconds=1),
        )


def _log_outcome(facts: Row, outcome: Outcome, duration: timedelta | None) -> None:
    counts = outcome.counts
    log_event(
        _log,
        logging.INFO if outcome.error is None else logging.WARNING,
        f"run_{outcome.event}",
        f"Run {outcome.event.replace('_', ' ')}",
        **_ids(facts),
        duration_ms=None if duration is None else duration // timedelta(milliseconds=1),
        records_processed=counts.processed if counts else None,
        records_created=counts.created if counts else None,
        records_updated=counts.updated if counts else None,
        reason=outcome.reason,
        error=outcome.error,
        retry_in=outcome.retry_in,
    )


def _ids(facts: Row) -> dict[str, object]:
    return {
        "run_id": facts["public_id"],
        "connector_id": facts["connector_public_id"],
        "workspace_id": facts["workspace_id"],
    }
