"""Write the runs that read what sources reported, where nothing else will."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from shared.domain.blackout import free_start
from shared.domain.run import TriggerType, interactive_key
from shared.domain.unread import (
    Obstacle,
    Unread,
    decide_look,
    has_failed_for_good,
    obstacle_of,
)
from shared.domain.workspace import WorkspaceState
from shared.logs import class_and_place, log_event
from shared.store.blackouts import windows_of
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.unread import (
    find_to_look_at,
    forget_unread,
    insert_webhook_run,
    lock_unread,
    look_again,
    wait_briefly,
)
from shared.store.violations import violation_of
from shared.store.workspaces import lock_workspace_state

_log = logging.getLogger(__name__)
_PAGE = 500
_PORTION = 50
"""Of the changes of a workspace, while which others wait for it."""
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class _Looked:
    """What came of a look at a workspace: runs written, and what `MOST_RUNS` did not read."""

    written: int
    failing: Sequence[Unread]


def start_unread(engine: Engine, now: datetime, has_time: Callable[[], bool]) -> int:
    """Write a run for each reported change that nothing else will read; return how many.

    Looks at what is due for it, until the time is over. Workspace by workspace: trouble with one is
    logged and keeps no other, and the next tick looks at it again. A database that cannot be
    reached is logged once, and ends it.
    """
    written, is_more = 0, True
    troubled: set[int] = set()
    while is_more and has_time():
        due = _due(engine, now, troubled)
        is_more = len(due) == _PAGE
        for workspace_id, connectors in _portions(due):
            if workspace_id in troubled:
                continue
            if not has_time():
                break
            try:
                with engine.begin() as connection:
                    looked = _look(connection, workspace_id, connectors, now)
            except Exception as error:  # noqa: BLE001 (a row that breaks us is its workspace's trouble)
                _log_failed(error, workspace_id)
                if _is_away(error):
                    return written
                troubled.add(workspace_id)
                continue
            written += looked.written
            for one in looked.failing:
                _log_failing(workspace_id, one)
    return written


def write_webhook_run(
    connection: Connection,
    facts: Row,
    starts_at: datetime,
    *,
    runs: int,
    detail: Mapping[str, object],
    now: datetime,
) -> bool:
    """Write a run that reads what a source reported, the `runs`th for it; False if one waits.

    `facts` are of its connector; `detail` is what the timeline says of it. The caller holds the
    workspace.
    """
    public_id = uuid4()
    values = {
        "workspace_id": facts["workspace_id"],
        "connector_id": facts["connector_id"],
        "schedule_id": facts["schedule_id"],
        "public_id": public_id,
        "idempotency_key": interactive_key(
            facts["connector_public_id"], TriggerType.WEBHOOK, public_id
        ),
        "not_before_at": starts_at,
        "max_attempts": facts["max_attempts"],
    }
    return insert_webhook_run(connection, values, runs=runs, detail=detail, now=now)


def _due(engine: Engine, now: datetime, troubled: Collection[int]) -> Sequence[Row]:
    try:
        with single_statements(engine) as connection:
            return find_to_look_at(connection, now=now, without=troubled, page=_PAGE)
    except SQLAlchemyError as error:
        _log_failed(error, None)
        return ()


def _portions(due: Sequence[Row]) -> Iterator[tuple[int, Sequence[int]]]:
    by_workspace: defaultdict[int, list[int]] = defaultdict(list)
    for row in due:
        by_workspace[row["workspace_id"]].append(row["connector_id"])
    for workspace_id, connectors in by_workspace.items():
        for start in range(0, len(connectors), _PORTION):
            yield workspace_id, connectors[start : start + _PORTION]


def _is_away(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _look(
    connection: Connection, workspace_id: int, connectors: Sequence[int], now: datetime
) -> _Looked:
    # The others wait for it, and it is looked at again in a minute.
    wait_briefly(connection)
    # Whoever pauses, disables or enables holds the workspace as well.
    is_active = lock_workspace_state(connection, workspace_id) is WorkspaceState.ACTIVE
    rows = lock_unread(connection, connectors, now=now)
    windows = windows_of(connection, [workspace_id]).get(workspace_id, ()) if rows else ()
    # The same for all of them: now, or at the end of a window that holds.
    starts_at = free_start(windows, now, now)
    looks: dict[int, datetime] = {}
    failing: list[Unread] = []
    written = 0
    for row in rows:
        if row["schedule_id"] is None:
            # It came while somebody deleted the schedule, which forgets what is unread.
            forget_unread(connection, row["connector_id"])
            continue
        unread = _unread(row, now, is_active=is_active, is_barred=starts_at is None)
        look_at = decide_look(unread, now)
        if look_at is None and starts_at is not None:
            runs, detail = unread.next_run, {"reported_at": row["reported_at"].isoformat()}
            written += write_webhook_run(
                connection, row, starts_at, runs=runs, detail=detail, now=now
            )
        elif look_at is not None:
            looks[row["connector_id"]] = look_at
        if has_failed_for_good(unread, look_at):
            failing.append(unread)
    look_again(connection, looks)
    return _Looked(written, failing)


def _unread(row: Row, now: datetime, *, is_active: bool, is_barred: bool) -> Unread:
    obstacle = obstacle_of(
        row["connector_status"], row["paused_until"], now, is_enabled=bool(row["is_enabled"])
    )
    if obstacle is None and is_barred:
        obstacle = Obstacle.BLACKOUT
    return Unread(
        connector=row["connector_public_id"],
        runs=row["runs"],
        is_heard=row["is_heard"] and is_active,
        obstacle=obstacle,
        paused_until=row["paused_until"],
        read_from=row["read_from"],
        is_running=row["is_running"],
        last_ended_at=row["last_completed_at"],
        last_shortfalls=frozenset(row["last_shortfalls"]),
        is_news=row["is_news"],
    )


def _log_failing(workspace_id: int, unread: Unread) -> None:
    log_event(
        _log,
        logging.WARNING,
        "unread_given_up",
        "What a source reported was not read by as many runs as are written for it: another one"
        " follows only a further report, or a change by a person",
        workspace_id=workspace_id,
        connector_id=unread.connector,
        runs=unread.runs,
    )


def _log_failed(error: Exception, workspace_id: int | None) -> None:
    is_busy = isinstance(error, DBAPIError) and violation_of(error).sqlstate == _LOCK_NOT_AVAILABLE
    log_event(
        _log,
        # Somebody holds the workspace for longer than is waited; the next tick looks again.
        logging.INFO if is_busy else logging.ERROR,
        "unread_failed",
        "Runs for what sources reported could not be written",
        workspace_id=workspace_id,
        error_class=class_and_place(error),
    )
