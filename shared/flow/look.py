"""Look at a connector's source: whether it lets us in, and what it offers."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self, TypeVar
from uuid import UUID

from sqlalchemy import Engine

from shared.clock import monotonic, utc_now
from shared.config import Settings
from shared.connectors.base import ConnectorType, Offer, SourceAccess
from shared.domain.access import Principal
from shared.domain.fault import Fault
from shared.domain.health import Trouble, next_look, verdict_on
from shared.domain.run import Reason
from shared.egress.addresses import AddressPolicy
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import NotFoundError, PermanentError, TransientError
from shared.flow.oauth_tokens import tokens_of
from shared.flow.references import datasets_of
from shared.flow.sources import config_of, type_of
from shared.gcp.sealing import WrappingKey
from shared.logs import class_and_place, log_event
from shared.store.connectors import note_health
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.sources import find_source

PATIENCE = timedelta(seconds=20)
"""How long a look may take, after which its connections are cut: a person waits for it."""
_BEGINNING = 0.6
"""In what part of it a look begins with another stream, which it then has the rest for."""

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

    `code` is as that of a run which ended for it; `is_transient` tells that it may pass by itself.
    """

    stream: str | None
    code: str
    fault: Fault
    message: str
    is_transient: bool


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found, and the streams that there was no time for."""

    checked_at: datetime
    findings: Sequence[Finding]
    not_looked_at: Sequence[str]

    @property
    def is_ok(self) -> bool:
        """Tell whether the connector can be synced as a whole, as far as a look can tell."""
        return not self.findings and not self.not_looked_at


def check_connector(lookout: Lookout, principal: Principal, connector: UUID) -> CheckReport:
    """Prove that a connector's settings work, and note its health; raise `NotFoundError`."""
    return look_at(lookout, _source(lookout, principal, connector))


def streams_of(lookout: Lookout, principal: Principal, connector: UUID) -> Offer:
    """Return what a connector's source offers.

    Raises `NotFoundError` if there is no such connector, and what its type raises.
    """
    row = _source(lookout, principal, connector)
    type_, access = _access(lookout, row)
    return _within(access, lambda: type_.streams(access))


def look_at(lookout: Lookout, row: Row) -> CheckReport:
    """Check the source of `find_source` or `claim_looks`, and note what it says of its health.

    A config that somebody changes meanwhile is not what was looked at, and stays unknown.
    """
    found = _findings(lookout, row)
    findings = [one for one in found if one.fault is not Fault.NOT_LOOKED_AT]
    left = [one.stream for one in found if one.fault is Fault.NOT_LOOKED_AT and one.stream]
    report = CheckReport(utc_now(), findings, left)
    verdict = verdict_on([Trouble(one.code, one.message) for one in findings])
    with single_statements(lookout.engine) as connection:
        note_health(
            connection,
            row["id"],
            verdict,
            config_version=row["config_version"],
            looked_at=report.checked_at,
            next_check_at=next_look(row["connector_public_id"], verdict, report.checked_at),
        )
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
    until = monotonic() + (PATIENCE * _BEGINNING).total_seconds()
    return type_, SourceAccess(
        config=config,
        lines=Lines(PATIENCE),
        has_time=lambda: monotonic() < until,
        guard=lookout.guard,
        files=files,
        datasets=datasets,
        access_token=tokens_of(lookout.engine, lookout.key, lookout.guard, row, PATIENCE),
    )


def _findings(lookout: Lookout, row: Row) -> Sequence[Finding]:
    try:
        type_, access = _access(lookout, row)
        failures = _within(access, lambda: type_.check(access))
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
            Finding(
                None,
                Reason.INTERNAL,
                Fault.OTHER,
                f"Syncline met an unexpected {what}.",
                is_transient=True,
            )
        ]
    return [_finding(failure.stream, failure.error) for failure in failures]


def _finding(stream: str | None, error: TransientError | PermanentError) -> Finding:
    fault = Fault.SETTINGS if error.fault is None else Fault(error.fault)
    return Finding(stream, error.code, fault, str(error), isinstance(error, TransientError))


def _within(access: SourceAccess, look: Callable[[], Found]) -> Found:
    """Look for as long as there is patience; raise `TransientError` when it took longer."""
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        access.lines.cut()

    timer = threading.Timer(PATIENCE.total_seconds(), end)
    timer.daemon = True
    timer.start()
    try:
        return look()
    except (TransientError, PermanentError):
        if is_over.is_set():
            raise TransientError(
                f"The source did not answer within {PATIENCE.total_seconds():.0f} seconds.",
                code=Reason.SOURCE_UNAVAILABLE,
                fault=Fault.TIMEOUT,
            ) from None
        raise
    finally:
        timer.cancel()
