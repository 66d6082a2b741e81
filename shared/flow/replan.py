"""Plan schedules anew from an instant on: after an edit, a pause, or a change of what they heed.

The ledger stays whole: what fell due before is decided as the schedules were, what was planned
ahead is cancelled with the reason, and the look-ahead is planned again at once. A period that the
new plan names too is taken up again in its old row.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shared.domain.run import Reason
from shared.flow.decide import Bounds, decide_all
from shared.store.schedules import (
    cancel_ahead,
    find_schedules_planned_ahead,
    lock_schedules,
    write_plans,
)

_NOW = timedelta(0)
_PAGE = 500
_UNBOUNDED = Bounds(rows=1_000_000, single_skips=1_000)


def replan(
    connection: Connection,
    ids: Sequence[int],
    *,
    now: datetime,
    look_ahead: timedelta,
    reason: Reason,
    halted_until: datetime | None = None,
    change: Callable[[], None] | None = None,
) -> int:
    """Settle schedules up to `now`, apply `change`, and plan them up to `now + look_ahead`.

    With `halted_until` also unstarted runs of earlier periods are cancelled, unless they start
    after the halt. Returns how many runs the new plan has. Call it in one transaction, with a page
    of schedules at most.
    """
    if not ids:
        return 0
    settle(connection, ids, now)
    cancel_ahead(connection, ids, reason, halted_until=halted_until, now=now)
    if change is not None:
        change()
    return plan_ahead(connection, ids, now, look_ahead)


def replan_workspace(
    connection: Connection,
    workspace_id: int,
    *,
    now: datetime,
    look_ahead: timedelta,
    reason: Reason,
) -> int:
    """Plan anew every schedule of a workspace that is planned ahead; return how many runs.

    For a change of what all of them heed. The caller holds the workspace (`lock_workspace`).
    """
    planned, last = 0, 0
    while ids := find_schedules_planned_ahead(
        connection,
        workspace_id,
        now=now,
        horizon=now + look_ahead,
        after_id=last,
        page=_PAGE,
    ):
        planned += replan(connection, ids, now=now, look_ahead=look_ahead, reason=reason)
        last = ids[-1]
    return planned


def plan_ahead(
    connection: Connection, ids: Sequence[int], now: datetime, look_ahead: timedelta
) -> int:
    """Plan enabled schedules whose periods up to `now` are decided; return how many runs."""
    rows = [row for row in lock_schedules(connection, ids, mark=now) if row["is_planned"]]
    if not rows:
        return 0
    decisions = decide_all(connection, rows, now, look_ahead, _UNBOUNDED)
    claimed, _ = write_plans(connection, decisions.planned, decisions.set_aside, now)
    return claimed


def settle(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """Lock schedules and decide, as they are, every period up to `now` that has no row yet.

    Their own next periods have no say: older zone data may have computed them.
    """
    while True:
        rows = [
            row
            for row in lock_schedules(connection, ids, mark=None)
            if row["is_planned"]
            and row["planned_through"] is not None
            and row["planned_through"] < now
        ]
        if not rows:
            return
        decisions = decide_all(connection, rows, now, _NOW, _UNBOUNDED)
        write_plans(connection, decisions.planned, decisions.set_aside, now)
        if not decisions.planned:
            return
