"""Run a connector for one slice and turn whatever comes of it into an outcome; no write is here."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from shared.connectors.base import ConfirmLease, HasTime, SyncRequest, SyncResult, Watermark
from shared.connectors.oauth_client import AccessToken
from shared.crash_points import CrashPoint, reach
from shared.domain.dataset import dataset_name, reader_role
from shared.domain.outcome import (
    Counts,
    Moved,
    Outcome,
    failed,
    goes_on,
    succeeded,
    waits_for_retry,
)
from shared.domain.retry import Retry, decide_retry, identity_of
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import LeaseLostError, PermanentError, TransientError
from shared.flow.references import datasets_at_lease
from shared.flow.shortfalls import failures_told, shortfall_of, streams_told, troubles_of
from shared.flow.slices import add_up, has_got_on, kept_watermarks, require_progress
from shared.flow.sources import config_of, type_of
from shared.gcp.sealing import WrappingKey
from shared.logs import class_and_place, log_event
from shared.store.rows import Row

_log = logging.getLogger(__name__)

Finished = tuple[Outcome, Sequence[Mapping[str, object]]]
"""What to record of an attempt, and its watermarks."""


@dataclass(frozen=True, slots=True)
class SyncJob:
    """A leased run: the facts of its lease, where its records go, and the key to its secrets.

    `guard` is its way out and `files` its way to files; `lines` are its connections, for whoever
    has to end it; `access_token` gives the tokens of a connector that a person has authorized.
    """

    facts: Row
    dataset_url: str = field(repr=False)
    key: WrappingKey | None
    guard: Guard = field(default_factory=Guard)
    lines: Lines = field(default_factory=Lines)
    files: FilesRoot = field(default_factory=FilesRoot)
    access_token: AccessToken | None = field(default=None, repr=False)


def run_sync(job: SyncJob, confirm_lease: ConfirmLease, has_time: HasTime) -> Finished | None:
    """Run the connector; return what to record and its watermarks, or None if the lease went."""
    return _told(job, lambda: _unless_lost(lambda: _sync(job, confirm_lease, has_time), has_time))


def _unless_lost(sync: Callable[[], Finished], has_time: HasTime) -> Finished:
    try:
        return sync()
    except Exception:
        # Of a sync that is not ours to do any more the connections are cut, and what they raise
        # then says nothing about the source or the dataset.
        has_time()
        raise


def _told(job: SyncJob, sync: Callable[[], Finished]) -> Finished | None:
    try:
        return sync()
    except LeaseLostError:
        return None
    except PermanentError as error:
        return failed(error.code, str(error)), ()
    except TransientError as error:
        return _after_trouble(job, error.code, str(error), error.retry_after), ()
    except Exception as error:  # noqa: BLE001 (the edge between us and every connector)
        # A connector's bug is its own run's trouble. The text of an unknown error may hold a
        # customer's data, so that only its class and place are kept.
        what = class_and_place(error)
        log_event(
            _log,
            logging.ERROR,
            "sync_crashed",
            "A connector raised an error that it should have translated",
            run_id=job.facts["public_id"],
            error_class=what,
        )
        message = f"Syncline met an unexpected {what}."
        return _after_trouble(job, "internal", message, None), ()


def _sync(job: SyncJob, confirm_lease: ConfirmLease, has_time: HasTime) -> Finished:
    facts = job.facts
    type_ = type_of(facts)
    request = SyncRequest(
        run_id=facts["public_id"],
        connector_id=facts["connector_public_id"],
        workspace_id=facts["workspace_public_id"],
        config=config_of(facts, type_, job.key),
        watermarks={
            mark["stream"]: Watermark(mark["stream"], mark["cursor"], mark["value"])
            for mark in facts["watermarks"] or ()
        },
        dataset_url=job.dataset_url,
        dataset_name=dataset_name(facts["connector_public_id"]),
        reader=reader_role(facts["workspace_public_id"]),
        fence=facts["fence"],
        period_at=facts["nominal_at"],
        is_by_hand=facts["period_at"] is None,
        timezone=facts["timezone"],
        landed=frozenset(
            mark["stream"] for mark in facts["watermarks"] or () if mark["has_landed"]
        ),
        datasets=datasets_at_lease(facts, type_, job.dataset_url),
        positions=facts["positions"],
        has_time=has_time,
        guard=job.guard,
        files=job.files.of_workspace(facts["workspace_slug"]),
        lines=job.lines,
        access_token=job.access_token,
    )
    reach(CrashPoint.SECRETS_OPENED)
    result = type_.sync(request, confirm_lease)
    if result.positions is not None and result.trouble is None:
        require_progress(request, result, facts["slices"])
    watermarks = [asdict(watermark) for watermark in kept_watermarks(request, result)]
    return _outcome(job, result, has_got_on=has_got_on(request, result)), watermarks


def _outcome(job: SyncJob, result: SyncResult, *, has_got_on: bool) -> Outcome:
    facts = job.facts
    counts = Counts(
        processed=result.records_processed,
        created=result.records_created,
        updated=result.records_updated,
        failed=result.records_failed,
    )
    goes_on_from_before = facts["slices"] or facts["positions"]
    metadata: dict[str, Any] = {
        **(add_up(facts["metadata"], result.metadata) if goes_on_from_before else result.metadata),
        "connector_slug": facts["connector_type"],
        # By stream, and without those of attempts before, which may have passed.
        "failed_streams": failures_told(result.failures),
    }
    streams = streams_told(result)
    if result.positions is not None:
        moved = Moved(counts, result.positions, metadata, streams)
        if result.trouble is None:
            return goes_on(moved)
        attempt = 1 if has_got_on else facts["attempt"]
        retry = _retry(job, result.trouble.retry_after, attempt)
        if retry is not None:
            return waits_for_retry(
                result.trouble.code,
                str(result.trouble),
                retry,
                attempt=attempt,
                moved=moved,
                has_got_on=has_got_on,
            )
    rejected = counts.failed + (facts["records_failed"] or 0)
    shortfall = shortfall_of(result.failures, rejected)
    # A stream that failed counts as one record: whoever looks for a shortfall looks there.
    return succeeded(
        replace(counts, failed=counts.failed + len(result.failures)),
        metadata,
        streams=streams,
        troubles=troubles_of(result.failures),
        shortfall=shortfall,
    )


def _after_trouble(job: SyncJob, code: str, message: str, retry_after: timedelta | None) -> Outcome:
    retry = _retry(job, retry_after, job.facts["attempt"])
    if retry is None:
        return failed(code, message)
    return waits_for_retry(code, message, retry, attempt=job.facts["attempt"])


def _retry(job: SyncJob, retry_after: timedelta | None, attempt: int) -> Retry | None:
    facts = job.facts
    return decide_retry(
        identity_of(facts["public_id"], facts["slices"]),
        attempt,
        facts["max_attempts"],
        retry_after,
        throttled_for=facts["leased_at"] - (facts["throttled_since"] or facts["leased_at"]),
    )
