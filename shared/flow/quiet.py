"""Look at connectors of which no run was heard for a day, so that a login that expired is known.

By time and not by count: a worker that is asked looks at many at once, for as long as there is
something to look at and its time lasts. Workspaces take turns.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from hashlib import sha256

from shared.clock import monotonic
from shared.flow.look import CheckReport, Lookout, look_at
from shared.logs import class_and_place, log_event
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.sources import claim_looks, last_workspace, put_off_asleep
from shared.store.ticks import as_of

BUDGET = timedelta(minutes=4)
"""A tick asks a worker every minute while looks are due, so that about five do it at once."""
AT_ONCE = 16
_WORKSPACES = 8
_SHARE = 2
"""How many workspaces are asked at a time for how many connectors each."""
_PAGE = 5_000
_PUT_OFF = timedelta(days=1)
"""When a connector is looked at again whose look was begun and never ended."""

_log = logging.getLogger(__name__)


def look_at_quiet_connectors(
    lookout: Lookout, *, now: datetime | None = None, budget: timedelta = BUDGET
) -> int:
    """Check connectors whose look is due until there are none or `budget` is over.

    Returns how many. What it does not come to is left to the next minute's. A look that fails by a
    fault of ours harms no other, and is made again a day later.
    """
    until = monotonic() + budget.total_seconds()
    reports: list[CheckReport] = []
    turns = _Turns(lookout, now)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as pool:
        pending: dict[Future[CheckReport], Row] = {}
        while True:
            rows = turns.take() if len(pending) < AT_ONCE and monotonic() < until else ()
            pending |= {pool.submit(look_at, lookout, row): row for row in rows}
            if not pending:
                break
            if rows and len(pending) < AT_ONCE:
                continue
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            found = (_report(one, pending.pop(one)) for one in done)
            reports += [report for report in found if report is not None]
    if reports:
        log_event(
            _log,
            logging.INFO,
            "connectors_looked_at",
            "Connectors were looked at",
            looked_at=len(reports),
            with_findings=sum(bool(report.findings) for report in reports),
        )
    return len(reports)


def _report(look: Future[CheckReport], row: Row) -> CheckReport | None:
    """Return what a look that is over found; None if it failed, which is logged."""
    error = look.exception()
    if error is None:
        return look.result()
    if not isinstance(error, Exception):
        raise error
    log_event(
        _log,
        logging.ERROR,
        "look_failed",
        "What a look at a connector found could not be kept",
        connector_id=row["connector_public_id"],
        error_class=class_and_place(error),
    )
    return None


class _Turns:
    """Goes round the workspaces, from one that is another each minute, until nothing is due."""

    def __init__(self, lookout: Lookout, now: datetime | None) -> None:
        self._engine = lookout.engine
        self._now = now
        self._is_over = False
        with single_statements(self._engine) as connection:
            at = as_of(connection, now)
            put_off_asleep(connection, now=at, put_off=_PUT_OFF, page=_PAGE)
            minute = f"{at:%Y-%m-%dT%H:%M}"
            chance = int.from_bytes(sha256(f"looks:{minute}".encode()).digest()[:8], "big")
            self._after = chance % (last_workspace(connection) + 1)

    def take(self) -> Sequence[Row]:
        """Return the sources of the next connectors; none once nothing is due."""
        if self._is_over:
            return ()
        rows = self._claim()
        if not rows and self._after:
            self._after = 0  # the other part of the round
            rows = self._claim()
        self._is_over = not rows
        if rows:
            self._after = rows[-1]["workspace_id"]
        return rows

    def _claim(self) -> Sequence[Row]:
        with single_statements(self._engine) as connection:
            return claim_looks(
                connection,
                now=as_of(connection, self._now),
                after=self._after,
                workspaces=_WORKSPACES,
                share=_SHARE,
                put_off=_PUT_OFF,
            )
