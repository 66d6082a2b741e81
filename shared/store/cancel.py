"""Ending runs from outside: which ones, and the statement that ends them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from shared.domain.run import CANCELLATIONS, Reason, TriggerType
from shared.store.rows import to_json
from shared.store.sql import load_sql


def lock_runs_in_progress(connection: Connection, connector_ids: Sequence[int]) -> None:
    """Hold the runs of connectors that are in progress, before their schedules are locked.

    Whoever records or rescues such a run locks it first and its schedule then, so that a change
    which locked the schedule first and then wanted a run of theirs would meet them halfway.
    """
    parameters = {"connector_ids": list(connector_ids)}
    connection.execute(load_sql("lock_runs_in_progress"), parameters).all()


def unfinished_runs(
    connection: Connection,
    connector_id: int,
    *,
    schedule_id: int | None = None,
    spared: Collection[TriggerType] = (),
) -> Sequence[int]:
    """Return the keys of a connector's runs that wait or are in progress.

    With `schedule_id` only those of that schedule; those of `spared` triggers are left out.
    """
    parameters = {
        "connector_id": connector_id,
        "schedule_id": schedule_id,
        "spared": list(spared),
    }
    return connection.execute(load_sql("unfinished_runs"), parameters).scalars().all()


def unfinished_runs_of_workspace(
    connection: Connection, workspace_id: int, *, page: int
) -> Sequence[int]:
    """Return the keys of up to `page` runs of a workspace that wait or are in progress."""
    parameters = {"workspace_id": workspace_id, "page": page}
    rows = connection.execute(load_sql("unfinished_runs_of_workspace"), parameters)
    return rows.scalars().all()


def cancel_runs(
    connection: Connection,
    ids: Sequence[int],
    reason: Reason,
    *,
    now: datetime,
    detail: Mapping[str, object] | None = None,
) -> int:
    """End those of some runs that did not end yet; return how many.

    `reason` is one of `CANCELLATIONS`; `detail` is what the timeline says beside it. The caller
    holds the workspace (`lock_workspace`), so that no lease begins meanwhile.
    """
    parameters = {
        "ids": list(ids),
        "reason": reason,
        "sentence": CANCELLATIONS[reason],
        "detail": to_json({"reason": reason, **(detail or {})}),
        "now": now,
    }
    return len(connection.execute(load_sql("cancel_runs"), parameters).all())
