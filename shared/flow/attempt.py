"""One attempt of one run by a worker: lease, sync, record, hand the place over.

Being called twice, late, or beside another worker is normal: the lease decides who works, the
fence decides whose result counts, and every refusal is an answer and not an error.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from sqlalchemy import Engine

from shared.domain.lease import RefusedLease, Wait, decide_refused
from shared.domain.outcome import Outcome
from shared.domain.run import Reason, RunStatus, TriggerType
from shared.domain.schedule import OverlapPolicy
from shared.flow.enqueue import enqueue_runs
from shared.flow.heartbeat import heartbeat
from shared.flow.sync import SyncJob, run_sync
from shared.gcp.sealing import LocalKey
from shared.logs import log_event
from shared.store.attempts import lease_run, put_run_back, record_outcome, skip_run
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.runs import admit_runs
from shared.store.ticks import as_of

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_EARLY = timedelta(seconds=2)
"""Cloud Tasks' clock may be ahead of the database's by this much."""


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
    key: LocalKey | None
    dataset_url: str = field(repr=False)
    lease: timedelta


def attempt_run(workshop: Workshop, run: UUID, *, now: datetime | None = None) -> AttemptResult:
    """Do one attempt of the run, if it is there to be done."""
    with workshop.engine.begin() as connection:
        facts = lease_run(connection, run, lease=workshop.lease, early=_EARLY, now=now)
        refused = None
        if facts is not None and facts["fence"] is None:
            refused = decide_refused(_refused(facts))
            match refused:
                case Reason():
                    skip_run(connection, facts["id"], refused, now=now)
                case Wait():
                    put_run_back(connection, facts["id"], refused, now=now)
                case None:
                    pass
                case _:
                    assert_never(refused)
    if facts is None or facts["fence"] is None:
        if facts is not None and isinstance(refused, Reason):
            _hand_over(workshop, facts["workspace_id"], now)
        return _log_refused(run, refused)
    return _work(workshop, facts, now)


def _hand_over(workshop: Workshop, workspace_id: int, now: datetime | None) -> None:
    """Give the place of a run that was skipped to the next of its workspace."""
    with single_statements(workshop.engine) as connection:
        at = as_of(connection, now)
        admitted = admit_runs(connection, now=at, horizon=at, page=1, workspace_id=workspace_id)
    enqueue_runs(workshop.engine, workshop.queue, admitted, now=now)


def _work(workshop: Workshop, facts: Row, now: datetime | None) -> AttemptResult:
    job = SyncJob(facts, workshop.dataset_url, workshop.key)
    _log_started(facts)
    with heartbeat(workshop.engine, facts["id"], facts["fence"], workshop.lease) as beating:
        finished = run_sync(job, beating.confirm)
    if finished is None:
        log_event(
            _log,
            logging.WARNING,
            "lease_lost",
            "The lease was lost: another worker holds the run, and this one wrote nothing",
            **_ids(facts),
        )
        return AttemptResult.LEASE_LOST
    outcome, watermarks = finished
    with single_statements(workshop.engine) as connection:
        recorded = record_outcome(
            connection, facts["id"], facts["fence"], outcome, watermarks, now=now
        )
    if recorded is None:
        log_event(
            _log,
            logging.WARNING,
            "record_refused",
            "The result was refused: another worker holds the run",
            **_ids(facts),
        )
        return AttemptResult.LEASE_LOST
    _log_outcome(facts, outcome, recorded.duration)
    if recorded.handed_over is not None:
        enqueue_runs(workshop.engine, workshop.queue, [recorded.handed_over], now=now)
    return AttemptResult.RECORDED


def _refused(facts: Row) -> RefusedLease:
    return RefusedLease(
        status=RunStatus(facts["status"]),
        trigger_type=TriggerType(facts["trigger_type"]),
        overlap_policy=OverlapPolicy(facts["overlap_policy"]),
        connector_is_usable=facts["connector_is_usable"],
        is_too_early=facts["is_too_early"],
        overlaps=facts["overlaps"],
        another_waits=facts["another_waits"],
    )


def _log_refused(run: UUID, refused: Reason | Wait | None) -> AttemptResult:
    match refused:
        case Reason():
            result, sentence = AttemptResult.SKIPPED, "The run was skipped"
        case Wait():
            result, sentence = AttemptResult.PUT_BACK, "The run waits in the table"
        case None:
            result, sentence = AttemptResult.NOTHING_TO_DO, "The task had nothing to do"
        case _:
            assert_never(refused)
    log_event(
        _log, logging.INFO, f"run_{result}", sentence, run_id=run, reason=refused or "not_waiting"
    )
    return result


def _log_started(facts: Row) -> None:
    lag = facts["started_at"] - facts["not_before_at"]
    log_event(
        _log,
        logging.INFO,
        "run_started",
        "Run started",
        **_ids(facts),
        trigger=facts["trigger_type"],
        attempt=facts["attempt"],
        start_lag_ms=lag // timedelta(milliseconds=1),
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
