"""The reports that a connector sent: list them, ask for a corrected one, settle a doubtful one."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg2
from sqlalchemy import Engine

from shared.connectors.bufdir import CONNECTOR_TYPE
from shared.connectors.bufdir.receipts import Act, Receipt, Receipts
from shared.connectors.dataset.turn import turn_of
from shared.connectors.postgres import connect
from shared.domain.access import Principal
from shared.domain.audit import Change, ObjectKind
from shared.domain.bigquery_address import is_bigquery
from shared.domain.dataset import dataset_name
from shared.domain.reporting import ReportState, Settlement, parse_period
from shared.domain.run import Reason
from shared.egress.lines import Lines
from shared.errors import (
    BusyError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Problem,
    TransientError,
)
from shared.flow.audit import append_change
from shared.flow.trigger import trigger_schedule
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.history import find_run
from shared.store.reports import find_schedule_of
from shared.store.rows import Row

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_TURN_WAIT = timedelta(seconds=2)
"""A person waits for it, and a run that sends holds its turn for minutes."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What acts on reports take."""

    engine: Engine
    dataset_url: str = field(repr=False)
    open_queue: "Callable[[], CloudTasksQueue]"


@dataclass(frozen=True, slots=True)
class ActedOn:
    """A report after an act, and the run that was started for it.

    Without a run, that is with no schedule, with a run that is active, or with a connector that
    cannot be synced now, the next run sends it.
    """

    receipt: Receipt
    run: UUID | None


def list_reports(
    desk: Desk, principal: Principal, connector: UUID, *, before: int | None, limit: int
) -> Sequence[Receipt]:
    """Return up to `limit` reports before an internal key, newest first.

    Raises `NotFoundError`, or `TransientError` if the datasets' database does not answer.
    """
    _reporter(desk, principal, connector)
    with _reading(desk, connector) as receipts:
        return receipts.page(before=before, limit=limit) if receipts.exist() else []


def correct_report(
    desk: Desk,
    principal: Principal,
    connector: UUID,
    *,
    period: str,
    why: str,
    request: UUID | None = None,
) -> ActedOn:
    """Have the report of a period sent once more, corrected; it is a report of its own.

    Given a `request` by which it was done before, it is as that left it; what of it is missing,
    such as the run, which has the same public id, is done now. Raises `NotFoundError`,
    `InvalidInputError`, and `ConflictError` unless the newest report of the period was accepted or
    refused, or while a run sends.
    """
    act = Act(principal.actor.name, why, request)

    def correct(receipts: Receipts, newest: Receipt) -> Receipt:
        if newest.state not in (ReportState.ACCEPTED, ReportState.REFUSED):
            raise ConflictError(
                f"The newest report for {period} is {newest.state}: only one that was accepted or"
                " refused can be corrected.",
                code="report_open",
            )
        return receipts.correct(newest, act)

    row = _reporter(desk, principal, connector)
    receipt = _act(desk, principal, row, period, act, correct)
    return ActedOn(receipt, _run_for(desk, principal, row, request))


def settle_report(
    desk: Desk,
    principal: Principal,
    connector: UUID,
    *,
    period: str,
    settlement: Settlement,
    why: str | None,
    request: UUID | None = None,
) -> ActedOn:
    """End the doubt whether a report arrived; one that is sent again goes out as it was.

    Given a `request`, as `correct_report`, and raises as it does, with `ConflictError` if there is
    no doubt.
    """
    act = Act(principal.actor.name, why, request)

    def settle(receipts: Receipts, newest: Receipt) -> Receipt:
        if newest.state not in (ReportState.SENDING, ReportState.UNKNOWN):
            raise ConflictError(
                f"The newest report for {period} is {newest.state}: there is nothing to settle.",
                code="report_settled",
            )
        return receipts.settle(newest, settlement, act)

    row = _reporter(desk, principal, connector)
    receipt = _act(desk, principal, row, period, act, settle)
    if settlement is Settlement.ARRIVED:
        return ActedOn(receipt, None)
    return ActedOn(receipt, _run_for(desk, principal, row, request))


def _act(
    desk: Desk,
    principal: Principal,
    row: Row,
    period: str,
    act: Act,
    do: Callable[[Receipts, Receipt], Receipt],
) -> Receipt:
    """Do something to the newest report of a period, unless the same request has done it."""
    connector = row["public_id"]
    done = None if act.request is None else _done_before(desk, connector, period, act.request)
    if done is not None:
        with single_statements(desk.engine) as connection:
            run = find_run(connection, principal.workspace_id, act.request)
        if run is None:  # it broke off: better two entries than none
            _append(desk, principal, row, None, done, act.why)
        return done
    with _receipts(desk, connector) as receipts:
        newest = _newest(receipts, period)
        receipt = do(receipts, newest)
    _append(desk, principal, row, newest, receipt, act.why)
    return receipt


def _done_before(desk: Desk, connector: UUID, period: str, request: UUID) -> Receipt | None:
    """Look without the connector's turn, which the run that was started for it may hold."""
    with _reading(desk, connector) as receipts:
        return receipts.acted_on(period, request) if receipts.exist() else None


def _reporter(desk: Desk, principal: Principal, connector: UUID) -> Row:
    with single_statements(desk.engine) as connection:
        row = find_connector(connection, principal.workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    if row["connector_type"] != CONNECTOR_TYPE.slug:
        raise NotFoundError("This connector sends no reports.")
    if is_bigquery(desk.dataset_url):
        raise ConflictError(
            "Reports are made of datasets in PostgreSQL, and those of this deployment are in"
            " BigQuery.",
            code="reports_need_postgresql",
        )
    return row


def _append(
    desk: Desk,
    principal: Principal,
    row: Row,
    before: Receipt | None,
    after: Receipt,
    why: str | None,
) -> None:
    """Add to the log what was done in another database, which no transaction of ours can hold."""
    change = Change(
        "act_on_report",
        ObjectKind.REPORT,
        row["public_id"],
        f"{row['name']}, {after.period}",
        before=before and {"correction": before.correction, "state": before.state, "reason": None},
        after={"correction": after.correction, "state": after.state, "reason": why},
    )
    with desk.engine.begin() as connection:
        append_change(connection, principal, change)


def _newest(receipts: Receipts, period: str) -> Receipt:
    try:
        parse_period(period)
    except ValueError as error:
        raise InvalidInputError(
            Problem("period", "period_form", "it is no reporting period", str(error))
        ) from None
    newest = receipts.newest(period) if receipts.exist() else None
    if newest is None:
        raise NotFoundError(f"No report for {period} was sent or tried yet.")
    return newest


@contextmanager
def _reading(desk: Desk, connector: UUID) -> Generator[Receipts]:
    lines = Lines()
    with (
        _told(),
        lines.watched(),
        closing(connect(lines, desk.dataset_url)) as connection,
    ):
        connection.set_session(readonly=True, autocommit=True)
        yield Receipts(connection, dataset_name(connector), connector)


@contextmanager
def _receipts(desk: Desk, connector: UUID) -> Generator[Receipts]:
    """Hold the connector's turn, so that no run writes meanwhile; never take it from one."""
    lines = Lines()
    with (
        _told(),
        lines.watched(),
        turn_of(connector, desk.dataset_url, _TURN_WAIT, _leave_alone, lines) as turn,
    ):
        yield Receipts(turn.connection, dataset_name(connector), connector)


def _leave_alone() -> None:
    raise ConflictError(
        "A run of this connector is sending at this moment: wait for its end.", code="run_active"
    )


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise TransientError(
            f"The datasets' database did not answer ({type(error).__name__}).",
            code=Reason.DATASET_UNAVAILABLE,
        ) from None


def _run_for(desk: Desk, principal: Principal, row: Row, public_id: UUID | None) -> UUID | None:
    with single_statements(desk.engine) as connection:
        schedule = find_schedule_of(connection, principal.workspace_id, row["id"])
    if schedule is None:
        return None
    try:
        run = trigger_schedule(
            desk.engine, desk.open_queue, principal, schedule, public_id=public_id
        )
    except (BusyError, ConflictError, NotFoundError):
        return None  # it is stored, whatever keeps the run from it now
    return run["public_id"]
