"""/api/v2/connectors/{id}/reports: what a connector reported; correct and settle its reports."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, cast

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.domain.reporting import Settlement
from shared.flow.reports import Desk, correct_report, list_reports, settle_report
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.bodies import ReportActBody
from shared.web.operations import DATASET_PROBLEMS, Answers, Takes
from shared.web.paging import page
from shared.web.present import instant
from shared.web.queries import PageQuery
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.shapes.datasets import ReportActedOn, Reports

routes = Routes(
    "reports",
    "/api/v2/connectors/<uuid:connector>/reports",
    tag="Datasets",
    changes=ObjectKind.REPORT,
)

_NOT_HERE = "reports_need_postgresql"
_INSTANTS = ("asked_at", "settled_at", "created_at", "sent_at", "answered_at")


@routes.on(
    "GET",
    "",
    "list_reports",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Reports, {**DATASET_PROBLEMS, HTTPStatus.CONFLICT: (_NOT_HERE,)}),
    Takes(query=PageQuery),
)
def browse(connector: uuid.UUID, query: PageQuery) -> dict[str, Any]:
    """List the receipts of a connector's reports, newest first."""
    limit = query.limit
    receipts = list_reports(_desk(), principal(), connector, before=query.cursor, limit=limit + 1)
    rows = cast("Sequence[Row]", [asdict(receipt) for receipt in receipts])
    return page(rows, limit, _present)


@routes.on(
    "POST",
    "",
    "act_on_report",
    Role.EDITOR,
    Answers(
        HTTPStatus.ACCEPTED,
        ReportActedOn,
        {
            **DATASET_PROBLEMS,
            HTTPStatus.CONFLICT: ("report_open", "report_settled", "run_active", _NOT_HERE),
        },
    ),
    Takes(
        ReportActBody,
        examples={"a correction": {"period": "2026-Q1", "reason": "two rows were missing"}},
        key=True,
    ),
)
def act(connector: uuid.UUID, body: ReportActBody) -> tuple[dict[str, Any], int]:
    """Ask for a corrected report of a period, or settle one of which nobody knows the fate."""
    if body.settle is None:
        done = correct_report(
            _desk(),
            principal(),
            connector,
            period=body.period,
            why=body.reason or "",
            request=resource_id(),
        )
    else:
        done = settle_report(
            _desk(),
            principal(),
            connector,
            period=body.period,
            settlement=Settlement(body.settle),
            why=body.reason,
            request=resource_id(),
        )
    run = None if done.run is None else str(done.run)
    shown = _present(cast("Row", asdict(done.receipt)))
    return {**shown, "started_run_id": run}, 202


def _desk() -> Desk:
    parts = wiring()
    return Desk(parts.engine, parts.settings.dataset_url, parts.open_queue)


def _present(row: Row) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "id"}
    shown |= {name: instant(row[name]) for name in _INSTANTS}
    return shown | {"run_id": None if row["run_id"] is None else str(row["run_id"])}
