"""/api/v2/runs/export: all runs of a filter as CSV or JSON lines, streamed."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, json, request

from shared.domain.access import Role
from shared.domain.csv_cells import safe_cell
from shared.flow.export import export_runs
from shared.web.auth import principal, wiring
from shared.web.examples import EXPORTS
from shared.web.exports import Pages, streamed
from shared.web.operations import Answers, Takes
from shared.web.present import present_run
from shared.web.routes import Routes
from shared.web.run_queries import ExportQuery, filter_of

routes = Routes("run_exports", "/api/v2/runs/export", tag="Runs")

COLUMNS = (
    "id",
    "connector_id",
    "schedule_id",
    "status",
    "reason",
    "trigger_type",
    "period_at",
    "period_count",
    "last_period_at",
    "not_before_at",
    "started_at",
    "completed_at",
    "duration_ms",
    "attempt",
    "max_attempts",
    "slices",
    "records_processed",
    "records_created",
    "records_updated",
    "records_failed",
    "error",
    "retry_of",
    "created_at",
)
"""Of the CSV form; the other has whole runs."""
COMPLETE = "#complete"
"""The first cell of the last row of a CSV file that is whole; the second is the number of runs."""

_CSV = "text/csv"
_JSON_LINES = ("application/jsonl", "application/x-ndjson")
"""The first is what comes; whoever asks for the other gets it under that name."""


@routes.on(
    "GET",
    "",
    "export_runs",
    Role.VIEWER,
    Answers(
        HTTPStatus.OK,
        problems={HTTPStatus.NOT_FOUND: ("not_found",)},
        media_type=_CSV,
        other_media_types=_JSON_LINES,
        examples=EXPORTS,
    ),
    Takes(query=ExportQuery),
)
def export(query: ExportQuery) -> Response:
    """Export the runs of a filter, newest first, back to the end of the workspace's retention.

    As CSV, or with `format=jsonl` as JSON lines, each of which is a run; without `format`, as
    Accept says. The answer is streamed, without a length: a whole one ends with a row
    `#complete,<runs>`, or a line `{"complete": true, "runs": <runs>}`. One without it was cut off.
    """
    media_type = _media_type(query)
    pages = export_runs(wiring().engine, principal(), filter_of(query))
    is_csv = media_type == _CSV
    return Response(
        streamed(pages, _as_csv if is_csv else _as_lines),
        mimetype=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="runs.{"csv" if is_csv else "jsonl"}"',
            "Vary": "Accept",
        },
    )


def _media_type(query: ExportQuery) -> str:
    match query.format:
        case "csv":
            return _CSV
        case "jsonl":
            return _JSON_LINES[0]
        case None:
            offered = (_CSV, *_JSON_LINES)
            return request.accept_mimetypes.best_match(offered, default=_CSV) or _CSV


def _as_csv(pages: Pages) -> Iterator[str]:
    yield _csv_text([COLUMNS])
    count = 0
    for page in pages:
        count += len(page)
        yield _csv_text(_cells(present_run(row)) for row in page)
    yield _csv_text([(COMPLETE, count)])


def _cells(run: Mapping[str, Any]) -> list[object]:
    return [safe_cell(run[name]) for name in COLUMNS]


def _csv_text(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _as_lines(pages: Pages) -> Iterator[str]:
    count = 0
    for page in pages:
        count += len(page)
        yield "".join(f"{json.dumps(present_run(row))}\n" for row in page)
    yield f"{json.dumps({'complete': True, 'runs': count})}\n"
