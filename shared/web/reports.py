"""/api/v2/connectors/{id}/reports: what a connector reported; correct and settle its reports."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from flask import Blueprint

from shared.domain.access import Role
from shared.domain.reporting import Settlement
from shared.flow.reports import Desk, correct_report, list_reports, settle_report
from shared.store.rows import Row
from shared.web.auth import principal, requires, wiring
from shared.web.bodies import ReportActBody, read_body
from shared.web.paging import page, page_cursor, page_limit
from shared.web.present import instant

blueprint = Blueprint("reports", __name__, url_prefix="/api/v2/connectors/<uuid:connector>/reports")

_INSTANTS = ("asked_at", "settled_at", "created_at", "sent_at", "answered_at")


@blueprint.get("")
@requires(Role.VIEWER)
def browse(connector: uuid.UUID) -> dict[str, Any]:
    """List the receipts of a connector's reports, newest first."""
    limit = page_limit()
    receipts = list_reports(_desk(), principal(), connector, before=page_cursor(), limit=limit + 1)
    rows = cast("Sequence[Row]", [asdict(receipt) for receipt in receipts])
    return page(rows, limit, _present)


@blueprint.post("")
@requires(Role.EDITOR)
def act(connector: uuid.UUID) -> tuple[dict[str, Any], int]:
    """Ask for a corrected report of a period, or settle one of which nobody knows the fate."""
    body = read_body(ReportActBody)
    if body.settle is None:
        done = correct_report(
            _desk(), principal(), connector, period=body.period, why=body.reason or ""
        )
    else:
        done = settle_report(
            _desk(),
            principal(),
            connector,
            period=body.period,
            settlement=Settlement(body.settle),
            why=body.reason,
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
