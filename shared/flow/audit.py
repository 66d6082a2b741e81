"""What the audit log keeps of a change: the settings of an object, as the API shows them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from shared.domain.access import Principal
from shared.domain.audit import Change, ObjectKind
from shared.domain.presets import WEEKDAYS
from shared.domain.schedule import UNTIL_RESUMED
from shared.store.audit import append_audit
from shared.store.rows import Row

Shown = TypeVar("Shown")
Fields = Mapping[str, Any] | Row
"""A row, or the columns of one that is being written."""
_SCHEDULE = (
    "name",
    "description",
    "frequency",
    "preferred_time",
    "preferred_day_of_week",
    "preferred_day_of_month",
    "cron_expression",
    "timezone",
    "is_enabled",
    "overlap_policy",
    "missed_run_policy",
    "catch_up_window_seconds",
    "spread_seconds",
    "max_attempts",
    "blackout_policy",
)


def append_change(connection: Connection, principal: Principal, change: Change) -> None:
    """Add what a caller changes to the log; last in its transaction, as `append_audit` says."""
    append_audit(connection, principal.workspace_id, principal.actor, change)


def connector_change(
    action: str, before: Row | None, after: Row | None, *, has_new_secrets: bool = False
) -> Change:
    """Return a change of a connector; of its secrets, that they were replaced."""
    row = _either(before, after)
    is_both = before is not None and after is not None
    return Change(
        action,
        ObjectKind.CONNECTOR,
        row["public_id"],
        (after or row)["name"],
        _shown(before, _connector, secrets_replaced=False if is_both else None),
        _shown(after, _connector, secrets_replaced=has_new_secrets if is_both else None),
    )


def schedule_change(
    action: str, before: Fields | None, after: Fields | None, *, now: datetime
) -> Change:
    """Return a change of a schedule; both are its row, or what will be in it."""
    row = _either(before, after)
    return Change(
        action,
        ObjectKind.SCHEDULE,
        row["public_id"],
        (after or row)["name"],
        _shown(before, partial(_schedule, now=now)),
        _shown(after, partial(_schedule, now=now)),
    )


def run_change(
    action: str,
    run: UUID,
    name: str | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> Change:
    """Return a change of a run; people know it by its connector's name."""
    return Change(action, ObjectKind.RUN, run, name, before, after)


def window_change(action: str, before: Row | None, after: Row | None) -> Change:
    """Return a change of a blackout window."""
    row = _either(before, after)
    return Change(
        action,
        ObjectKind.BLACKOUT_WINDOW,
        row["public_id"],
        row["name"],
        _shown(before, window_fields),
        _shown(after, window_fields),
    )


def window_fields(row: Row) -> dict[str, Any]:
    """Return what people set of a blackout window."""
    weekly = dated = None
    if row["days_of_week"] is None:
        dated = {"first": row["first_day"].isoformat(), "last": row["last_day"].isoformat()}
    else:
        weekly = {
            "days": sorted(row["days_of_week"], key=WEEKDAYS.index),
            "from": row["starts_time"],
            "to": row["ends_time"],
        }
    return {"name": row["name"], "timezone": row["timezone"], "weekly": weekly, "dated": dated}


def endpoint_change(action: str, before: Row | None, after: Row | None) -> Change:
    """Return a change of a webhook endpoint; a new secret shows as `rotated_at`."""
    row = _either(before, after)
    return Change(
        action,
        ObjectKind.WEBHOOK_ENDPOINT,
        row["public_id"],
        (after or row)["name"],
        _shown(before, _endpoint),
        _shown(after, _endpoint),
    )


def watermark_change(
    action: str, connector: Row, stream: str, before: Fields | None, after: Fields | None
) -> Change:
    """Return a change of a watermark: `id` is the connector's, `name` the stream.

    Both are None, or have the `cursor` and the `value` of a row.
    """
    return Change(
        action,
        ObjectKind.WATERMARK,
        connector["public_id"],
        stream,
        _shown(before, _watermark),
        _shown(after, _watermark),
    )


def workspace_change(action: str, before: Row, after: Row, names: Mapping[str, Any]) -> Change:
    """Return a change of the settings of these names."""
    return Change(
        action,
        ObjectKind.WORKSPACE,
        after["public_id"],
        after["name"],
        {name: before[name] for name in names},
        {name: after[name] for name in names},
    )


def _either(before: Fields | None, after: Fields | None) -> Fields:
    row = before if after is None else after
    if row is None:
        raise ValueError("a change has something before it or after it")
    return row


def _shown(
    row: Shown | None, show: Callable[[Shown], dict[str, Any]], **more: bool | None
) -> dict[str, Any] | None:
    """Return what is told of a row, and what is known of it besides; None if there is none."""
    if row is None:
        return None
    return show(row) | {name: value for name, value in more.items() if value is not None}


def _connector(row: Row) -> dict[str, Any]:
    return {
        "type": row["connector_type"],
        "name": row["name"],
        "config": row["config"],
        "secrets_set": row["secret_pointers"],
        "status": row["status"],
    }


def _schedule(row: Fields, now: datetime) -> dict[str, Any]:
    until: datetime | None = row.get("paused_until")
    is_paused = until is not None and until > now
    has_end = until is not None and is_paused and until < UNTIL_RESUMED
    return {
        "connector_id": row["connector_public_id"],
        **{name: row[name] for name in _SCHEDULE},
        "is_paused": is_paused,
        "paused_until": until if has_end else None,
        "pause_note": row.get("pause_note") if is_paused else None,
    }


def _endpoint(row: Row) -> dict[str, Any]:
    return {
        "connector_id": row["connector_public_id"],
        "name": row["name"],
        "scheme": row["scheme"],
        "secret_header": row["secret_header"],
        "previous_secret_until": row["previous_until"],
        "rotated_at": row["rotated_at"],
    }


def _watermark(row: Fields) -> dict[str, Any]:
    return {
        "cursor": row["cursor"],
        "type": row["value"]["type"],
        "value": row["value"]["value"],
    }
