"""Look at a connector's source: whether it lets us in, and what it offers."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Self, TypeVar
from uuid import UUID

from sqlalchemy import Engine

from shared.clock import utc_now
from shared.config import Settings
from shared.connectors.base import ConnectorType, SourceAccess, SourceStream
from shared.domain.access import Principal
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.addresses import AddressPolicy
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.errors import NotFoundError, PermanentError, TransientError
from shared.flow.references import datasets_of
from shared.flow.sources import config_of, type_of
from shared.gcp.sealing import WrappingKey
from shared.logs import class_and_place, log_event
from shared.store.connectors import note_health
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.sources import claim_looks, find_source
from shared.store.ticks import as_of

PATIENCE = timedelta(seconds=20)
"""How long a look may take, after which its connections are cut: a person waits for it."""
_PAUSE = timedelta(days=1)
_PAUSE_WHEN_UNHEALTHY = timedelta(hours=1)
"""Between looks at a connector that nobody asks for and that does not run."""
_PAGE = 40
_AT_ONCE = 8

_log = logging.getLogger(__name__)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Lookout:
    """What a look at a source takes."""

    engine: Engine
    key: WrappingKey | None
    guard: Guard
    files: FilesRoot = field(default_factory=FilesRoot)
    dataset_url: str = field(default="", repr=False)

    @classmethod
    def of(cls, engine: Engine, key: WrappingKey | None, settings: Settings) -> Self:
        """Return what a look takes in this deployment."""
        guard = Guard(AddressPolicy(settings.allowed_networks))
        files = FilesRoot(settings.files_root)
        return cls(engine, key, guard, files, settings.dataset_url)


@dataclass(frozen=True, slots=True)
class Finding:
    """What stands in the way of a connector, or of one stream of it.

    `is_transient` tells that it may pass by itself.
    """

    stream: str | None
    fault: Fault
    message: str
    is_transient: bool


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found; nothing means that the connector can be synced."""

    checked_at: datetime
    findings: Sequence[Finding]


def check_connector(lookout: Lookout, principal: Principal, connector: UUID) -> CheckReport:
    """Prove that a connector's settings work, and note its health; raise `NotFoundError`."""
    return _look(lookout, _source(lookout, principal, connector))


def look_at_quiet_connectors(lookout: Lookout, *, now: datetime | None = None) -> int:
    """Check connectors of which nothing was heard for about a day, some at once; return how many.

    So a login that expired is known before the next sync. What it does not come to is the next
    minute's.
    """
    with single_statements(lookout.engine) as connection:
        at = as_of(connection, now)
        rows = claim_looks(connection, now=at, pause=_PAUSE, page=_PAGE)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="look") as pool:
        reports = list(pool.map(partial(_look, lookout), rows))
    failed = sum(bool(report.findings) for report in reports)
    if reports:
        log_event(
            _log,
            logging.INFO,
            "connectors_looked_at",
            "Connectors were looked at",
            looked_at=len(reports),
            unhealthy=failed,
        )
    return len(reports)


def streams_of(lookout: Lookout, principal: Principal, connector: UUID) -> Sequence[SourceStream]:
    """Return what a connector's source offers.

    Raises `NotFoundError` if there is no such connector, and what its type raises.
    """
    row = _source(lookout, principal, connector)
    type_, access = _access(lookout, row)
    return _within(access, PATIENCE, lambda: type_.streams(access))


def _look(lookout: Lookout, row: Row) -> CheckReport:
    report = CheckReport(utc_now(), _findings(lookout, row))
    worst = report.findings[0].message if report.findings else None
    pause = _PAUSE if worst is None else _PAUSE_WHEN_UNHEALTHY
    with single_statements(lookout.engine) as connection:
        note_health(connection, row["id"], reason=worst, next_check_at=report.checked_at + pause)
    return report


def _source(lookout: Lookout, principal: Principal, connector: UUID) -> Row:
    with single_statements(lookout.engine) as connection:
        row = find_source(connection, principal.workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    return row


def _access(lookout: Lookout, row: Row) -> tuple[ConnectorType, SourceAccess]:
    type_ = type_of(row)
    config = config_of(row, type_, lookout.key)
    datasets = datasets_of(lookout.engine, row, type_, lookout.dataset_url)
    files = lookout.files.of_workspace(row["workspace_slug"])
    return type_, SourceAccess(config=config, guard=lookout.guard, files=files, datasets=datasets)


def _findings(lookout: Lookout, row: Row) -> Sequence[Finding]:
    try:
        type_, access = _access(lookout, row)
        failures = _within(access, PATIENCE, lambda: type_.check(access))
    except (TransientError, PermanentError) as error:
        return [_finding(None, error)]
    except Exception as error:  # noqa: BLE001 (the edge between us and every connector)
        what = class_and_place(error)
        log_event(
            _log,
            logging.ERROR,
            "look_crashed",
            "A connector raised an error that it should have translated",
            connector_id=row["connector_public_id"],
            error_class=what,
        )
        return [
            Finding(None, Fault.OTHER, f"Syncline met an unexpected {what}.", is_transient=True)
        ]
    return [_finding(failure.stream, failure.error) for failure in failures]


def _finding(stream: str | None, error: TransientError | PermanentError) -> Finding:
    fault = Fault.SETTINGS if error.fault is None else Fault(error.fault)
    return Finding(stream, fault, str(error), isinstance(error, TransientError))


def _within(access: SourceAccess, patience: timedelta, look: Callable[[], Found]) -> Found:
    """Look for so long at most; raise `TransientError` when it took longer."""
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        access.lines.cut()

    timer = threading.Timer(patience.total_seconds(), end)
    timer.daemon = True
    timer.start()
    try:
        return look()
    except (TransientError, PermanentError):
        if is_over.is_set():
            raise TransientError(
                f"The source did not answer within {patience.total_seconds():.0f} seconds.",
                code=Reason.SOURCE_UNAVAILABLE,
                fault=Fault.TIMEOUT,
            ) from None
        raise
    finally:
        timer.cancel()
