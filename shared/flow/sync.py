"""Run a connector for one slice and turn whatever comes of it into an outcome; no write is here."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.connectors.base import ConfirmLease, HasTime, SyncRequest, SyncResult, Watermark
from shared.connectors.registry import connector_type
from shared.connectors.secrets import join_secrets
from shared.crash_points import CrashPoint, reach
from shared.domain.outcome import Counts, Outcome, failed, goes_on, succeeded, waits_for_retry
from shared.domain.retry import decide_retry, identity_of
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import LeaseLostError, NotFoundError, PermanentError, TransientError
from shared.flow.slices import add_up, kept_watermarks, require_progress
from shared.gcp.sealing import LocalKey, SealedSecrets, unseal
from shared.logs import class_and_place, log_event
from shared.store.rows import Row

_log = logging.getLogger(__name__)

Finished = tuple[Outcome, Sequence[Mapping[str, object]]]
"""What to record of an attempt, and its watermarks."""


@dataclass(frozen=True, slots=True)
class SyncJob:
    """A leased run: the facts of its lease, where its records go, and the key to its secrets.

    `guard` is its way out; `lines` are its connections, for whoever has to end it.
    """

    facts: Row
    dataset_url: str = field(repr=False)
    key: LocalKey | None
    guard: Guard = field(default_factory=Guard)
    lines: Lines = field(default_factory=Lines)


def dataset_name(connector: UUID) -> str:
    """Return the schema that holds a connector's records; a renamed connector keeps it."""
    return f"dataset_{connector.hex}"


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
    try:
        type_ = connector_type(facts["connector_type"])
    except NotFoundError as error:
        raise PermanentError(str(error)) from error
    request = SyncRequest(
        run_id=facts["public_id"],
        connector_id=facts["connector_public_id"],
        config=join_secrets(type_.config_model, facts["config"], _secrets(job)),
        watermarks={
            mark["stream"]: Watermark(mark["stream"], mark["cursor"], mark["value"])
            for mark in facts["watermarks"] or ()
        },
        dataset_url=job.dataset_url,
        dataset_name=dataset_name(facts["connector_public_id"]),
        positions=facts["positions"],
        has_time=has_time,
        guard=job.guard,
        lines=job.lines,
    )
    reach(CrashPoint.SECRETS_OPENED)
    result = type_.sync(request, confirm_lease)
    if result.positions is not None:
        require_progress(request, result, facts["slices"])
    watermarks = [asdict(watermark) for watermark in kept_watermarks(request, result)]
    return _outcome(job, result), watermarks


def _secrets(job: SyncJob) -> Mapping[str, str]:
    facts = job.facts
    if facts["ciphertext"] is None:
        return {}
    if job.key is None:
        raise PermanentError("This deployment has no key to open the connector's secrets.")
    sealed = SealedSecrets(
        facts["ciphertext"], facts["nonce"], facts["wrapped_key"], facts["key_version"]
    )
    return unseal(job.key, sealed, facts["workspace_id"], facts["connector_public_id"])


def _outcome(job: SyncJob, result: SyncResult) -> Outcome:
    facts = job.facts
    counts = Counts(
        processed=result.records_processed,
        created=result.records_created,
        updated=result.records_updated,
        failed=result.records_failed,
    )
    metadata: dict[str, Any] = {
        **(add_up(facts["metadata"], result.metadata) if facts["slices"] else result.metadata),
        "connector_slug": facts["connector_type"],
    }
    if result.positions is not None:
        return goes_on(counts, metadata, result.positions)
    return succeeded(counts, metadata, failed_before=facts["records_failed"] or 0)


def _after_trouble(job: SyncJob, code: str, message: str, retry_after: timedelta | None) -> Outcome:
    facts = job.facts
    attempt = facts["attempt"]
    retry = decide_retry(
        identity_of(facts["public_id"], facts["slices"]),
        attempt,
        facts["max_attempts"],
        retry_after,
        throttled_for=facts["leased_at"] - (facts["throttled_since"] or facts["leased_at"]),
    )
    if retry is None:
        return failed(code, message)
    return waits_for_retry(code, message, retry, attempt=attempt)
