"""Rows as the API shows them: public ids, RFC 3339 instants in UTC, no internal keys."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.dataset import dataset_name
from shared.domain.next_run import find_next_run
from shared.domain.outlook import Outlook, OutlookKind, is_paused, outlook
from shared.domain.recurrence import Recurrence
from shared.domain.run import RunStatus
from shared.domain.schedule import UNTIL_RESUMED, RecurrenceFields, Schedule, build_recurrence
from shared.errors import RecurrenceError
from shared.store.outlook import to_schedule_state
from shared.store.rows import Row
from shared.store.schedules import to_schedule
from shared.web.windows import caller_windows


def present_connector(row: Row) -> dict[str, Any]:
    """Return a connector; of its secrets only where in the config they are set."""
    return {
        "id": str(row["public_id"]),
        "type": row["connector_type"],
        "name": row["name"],
        "config": row["config"],
        "secrets_set": row["secret_pointers"],
        "status": row["status"],
        "health": row["health"],
        "health_reason": row["health_reason"],
        "health_next_check_at": instant(row["health_next_check_at"]),
        "dataset": {"schema": dataset_name(row["public_id"])},
        "version": row["version"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def present_schedule(row: Row) -> dict[str, Any]:
    """Return a schedule with its outlook, as of the row's reading, and its last run."""
    return {
        "id": str(row["public_id"]),
        "connector_id": str(row["connector_public_id"]),
        "connector_name": row["connector_name"],
        "name": row["name"],
        "description": row["description"],
        "frequency": row["frequency"],
        "preferred_time": row["preferred_time"],
        "preferred_day_of_week": row["preferred_day_of_week"],
        "preferred_day_of_month": row["preferred_day_of_month"],
        "cron_expression": row["cron_expression"],
        "timezone": row["timezone"],
        "is_enabled": row["is_enabled"],
        **_present_future(row),
        "overlap_policy": row["overlap_policy"],
        "missed_run_policy": row["missed_run_policy"],
        "catch_up_window_seconds": row["catch_up_window_seconds"],
        "spread_seconds": row["spread_seconds"],
        "max_attempts": row["max_attempts"],
        "blackout_policy": row["blackout_policy"],
        "plan_error": row["plan_error"],
        "last_run_at": instant(row["last_run_at"]),
        "last_run_status": row["last_run_status"],
        "last_run_error": row["last_run_error"],
        "last_run_records_synced": row["last_run_records_synced"],
        "change_reported_at": instant(row["change_reported_at"]),
        "version": row["version"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def present_run(row: Row) -> dict[str, Any]:
    """Return a run."""
    schedule, repeated = row["schedule_public_id"], row["retry_of_public_id"]
    return {
        "id": str(row["public_id"]),
        "connector_id": str(row["connector_public_id"]),
        "schedule_id": None if schedule is None else str(schedule),
        "retry_of": None if repeated is None else str(repeated),
        "status": row["status"],
        "reason": row["reason"],
        "trigger_type": row["trigger_type"],
        "cloud_task_id": row["cloud_task_id"],
        "idempotency_key": row["idempotency_key"],
        "period_at": instant(row["period_at"]),
        "period_count": row["period_count"],
        "last_period_at": instant(row["last_period_at"]),
        "not_before_at": instant(row["not_before_at"]),
        "attempt": row["attempt"],
        "slices": row["slices"],
        "max_attempts": row["max_attempts"],
        "next_attempt_at": instant(row["next_attempt_at"]),
        "started_at": instant(row["started_at"]),
        "completed_at": instant(row["completed_at"]),
        "duration_ms": row["duration_ms"],
        "error": row["error"],
        "records_processed": row["records_processed"],
        "records_created": row["records_created"],
        "records_updated": row["records_updated"],
        "records_failed": row["records_failed"],
        "metadata": row["metadata"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def present_event(row: Row) -> dict[str, Any]:
    """Return one line of a run's timeline."""
    return {
        "at": instant(row["happened_at"]),
        "kind": row["kind"],
        "detail": row["detail"],
    }


def _present_future(row: Row) -> dict[str, Any]:
    schedule, now = to_schedule(row, caller_windows()), row["as_of"]
    foreseen = outlook(schedule, to_schedule_state(row), now)
    has_pause = is_paused(schedule, now)
    has_end = has_pause and row["paused_until"] < UNTIL_RESUMED
    recurrence = _recurrence(schedule.recurrence)
    return {
        "recurrence_description": None if recurrence is None else recurrence.describe(),
        "next_scheduled_at": instant(_next_period(row, schedule, recurrence, foreseen)),
        "outlook": {"kind": foreseen.kind, "at": instant(foreseen.at), "text": foreseen.text},
        "is_paused": has_pause,
        "paused_until": instant(row["paused_until"]) if has_end else None,
        "pause_note": row["pause_note"] if has_pause else None,
    }


def _recurrence(fields: RecurrenceFields) -> Recurrence | None:
    try:
        return build_recurrence(fields)
    except RecurrenceError:
        return None


def _next_period(
    row: Row, schedule: Schedule, recurrence: Recurrence | None, foreseen: Outlook
) -> datetime | None:
    """Return the next period that is to run, planned already or not; None while none is."""
    if row["next_scheduled_at"] is None or recurrence is None:
        return None
    now, period_at = row["as_of"], row["run_period_at"]
    if row["run_status"] == RunStatus.SCHEDULED and period_at is not None and period_at > now:
        return period_at
    if row["run_status"] is None and foreseen.kind is OutlookKind.PLANNED:
        return foreseen.period_at  # found a moment ago, and finding it is most of the work of a row
    # The table's own next period is the first without a run row, which may be a later one; but
    # where no run is left, somebody cancelled those that were planned ahead.
    mark = now if row["run_status"] is not None else max(now, schedule.planned_through)
    found = find_next_run(replace(schedule, planned_through=mark), recurrence, now).run
    return None if found is None else found.period_at


def instant(value: datetime | None) -> str | None:
    """Return an instant in RFC 3339 with Z."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
