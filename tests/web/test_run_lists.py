"""Lists, histories and exports of runs."""

import csv
import io
import json
import logging
import traceback

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.flow import export
from shared.store import log_pages
from shared.store.log_pages import MOST_LOOKED_AT, Log
from shared.web.exports import CutOffError
from tests.factories import Tenant
from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")

WRITE = text(
    "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
    " trigger_type, idempotency_key, period_at, not_before_at, status, reason, started_at,"
    " completed_at, duration_ms, error, created_at)"
    " SELECT c.workspace_id, c.id, s.id, 'cloud_task', c.public_id || ':' || :kind || n, at, at,"
    " :status, :reason, at, at, 0, :error, at"
    " FROM generate_series(1, :count) AS n"
    " CROSS JOIN LATERAL (SELECT now() - interval '1 day' + n * interval '1 second' AS at) AS t"
    " JOIN workspace_connector AS c ON c.public_id = CAST(:connector AS uuid)"
    " LEFT JOIN sync_schedule AS s ON s.connector_id = c.id"
)


def write_runs(
    engine: Engine,
    connector: str,
    count: int,
    status: str = "success",
    reason: str | None = None,
    error: str | None = None,
    kind: str = "",
) -> None:
    values = {"connector": connector, "count": count, "status": status, "reason": reason}
    with engine.begin() as connection:
        connection.execute(WRITE, {**values, "error": error, "kind": kind or status})


def pages(caller: Caller, path: str, limit: int) -> list[list[dict]]:
    """Return the items of each page, followed to the end."""
    found, cursor = [], None
    while True:
        sign = "&" if "?" in path else "?"
        more = "" if cursor is None else f"&cursor={cursor}"
        answer = caller.get(f"{path}{sign}limit={limit}{more}")
        assert answer.status_code == 200, answer.text
        found.append(answer.json["items"])
        cursor = answer.json["next_cursor"]
        if cursor is None:
            return found


def test_pages_show_each_run_once_newest_first_also_those_written_at_one_instant(
    alice: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 25)
    together = (
        "UPDATE workspace_connector_sync_log SET created_at = date_trunc('minute', created_at)"
    )
    with engine.begin() as connection:
        connection.execute(text(together))

    for path in ("/api/v2/runs", f"/api/v2/sync-schedules/{schedule['id']}/history"):
        found = [run for page in pages(alice, path, 4) for run in page]
        assert len({run["id"] for run in found}) == len(found) == 25
        assert [run["created_at"] for run in found] == sorted(
            (run["created_at"] for run in found), reverse=True
        )


def test_what_is_written_meanwhile_does_not_shift_the_pages(alice: Caller, engine: Engine) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 10)
    first = alice.get("/api/v2/runs?limit=5").json
    write_runs(engine, schedule["connector_id"], 3, kind="later")

    second = alice.get(f"/api/v2/runs?limit=5&cursor={first['next_cursor']}").json

    seen = {run["id"] for run in first["items"]}
    assert not seen & {run["id"] for run in second["items"]}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=error", 3),
        ("status=success", 7),
        ("reason=authorization", 3),
        ("status=error&reason=authorization&trigger_type=cloud_task", 3),
        ("status=success&reason=authorization", 0),
        ("trigger_type=manual", 0),
        ("trigger_type=cloud_task", 10),
        ("since=2000-01-01T00:00Z&until=2100-01-01T00:00Z", 10),
        ("until=2000-01-01T00:00Z", 0),
    ],
)
def test_filters_can_be_combined(alice: Caller, engine: Engine, query: str, count: int) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 7)
    write_runs(engine, schedule["connector_id"], 3, "error", "authorization")

    for path in ("/api/v2/runs", f"/api/v2/sync-schedules/{schedule['id']}/history"):
        found = [run for page in pages(alice, f"{path}?{query}", 2) for run in page]
        assert len({run["id"] for run in found}) == len(found) == count


def test_a_rare_run_is_found_behind_more_runs_than_a_page_looks_at(
    alice: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 1, "error", "authorization")
    write_runs(engine, schedule["connector_id"], MOST_LOOKED_AT + 10, kind="many")
    query = f"connector_id={schedule['connector_id']}&status=error"

    found = pages(alice, f"/api/v2/runs?{query}", 5)

    assert [len(page) for page in found] == [0, 1]


def test_runs_of_deleted_schedules_stay_in_the_list(alice: Caller, engine: Engine) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 2)
    headers = {"Authorization": f"Bearer {alice.key}"}
    alice.client.delete(f"/api/v2/sync-schedules/{schedule['id']}", headers=headers)

    found = alice.get(f"/api/v2/runs?connector_id={schedule['connector_id']}").json["items"]

    assert [run["schedule_id"] for run in found] == [None, None]
    assert alice.get(f"/api/v2/runs?schedule_id={schedule['id']}").status_code == 404


def test_nobody_sees_or_filters_by_what_is_another_workspaces(
    alice: Caller, mallory: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 2)

    assert mallory.get("/api/v2/runs").json["items"] == []
    for query in (
        f"connector_id={schedule['connector_id']}",
        f"schedule_id={schedule['id']}",
    ):
        for path in ("/api/v2/runs", "/api/v2/runs/export"):
            assert mallory.get(f"{path}?{query}").status_code == 404
    assert mallory.get("/api/v2/runs/export").text.splitlines()[1:] == ["#complete,0"]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "____________________________", "é"])
def test_what_is_no_cursor_is_refused(alice: Caller, cursor: str) -> None:
    answer = alice.get(f"/api/v2/runs?cursor={cursor}")
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "cursor_form")


def test_an_export_is_streamed_and_ends_with_the_number_of_its_runs(
    alice: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 1_203)

    answer = alice.get("/api/v2/runs/export")
    rows = list(csv.reader(io.StringIO(answer.text)))
    lines = alice.get("/api/v2/runs/export?format=jsonl")

    assert answer.mimetype == "text/csv"
    assert "Content-Length" not in answer.headers
    assert rows[-1] == ["#complete", "1203"]
    assert len({row[0] for row in rows[1:-1]}) == 1_203
    records = [json.loads(line) for line in lines.text.splitlines()]
    assert lines.mimetype == "application/jsonl"
    assert records[-1] == {"complete": True, "runs": 1_203}
    assert [record["id"] for record in records[:-1]] == [row[0] for row in rows[1:-1]]


def test_an_export_goes_back_to_the_end_of_the_retention(
    alice: Caller, engine: Engine, tenant: Tenant
) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 2)
    write_runs(engine, schedule["connector_id"], 1, kind="old")
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET created_at = now() - interval '91 days'"
                " WHERE idempotency_key LIKE '%old%'"
            )
        )
    answer = alice.get("/api/v2/runs/export?since=2000-01-01T00:00Z")
    assert answer.text.splitlines()[-1] == "#complete,2"


def test_a_spreadsheet_takes_no_text_of_an_export_for_a_formula(
    alice: Caller, engine: Engine
) -> None:
    schedule = alice.new_schedule()
    write_runs(
        engine, schedule["connector_id"], 1, "error", "configuration", '=HYPERLINK("http://x")'
    )
    rows = list(csv.DictReader(io.StringIO(alice.get("/api/v2/runs/export").text)))
    assert rows[0]["error"] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("", "", "text/csv"),
        ("", "*/*", "text/csv"),
        ("", "image/png", "text/csv"),
        ("", "application/x-ndjson", "application/x-ndjson"),
        ("", "text/csv;q=0.5, application/jsonl", "application/jsonl"),
        ("?format=csv", "application/jsonl", "text/csv"),
        ("?format=jsonl", "text/csv", "application/jsonl"),
    ],
)
def test_an_export_comes_as_format_says_or_else_as_accept_does(
    alice: Caller, query: str, accept: str, expected: str
) -> None:
    headers = {"Authorization": f"Bearer {alice.key}", "Accept": accept}
    answer = alice.client.get(f"/api/v2/runs/export{query}", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, expected)
    kind = "csv" if expected == "text/csv" else "jsonl"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="runs.{kind}"'
    last = "#complete,0" if kind == "csv" else '{"complete": true, "runs": 0}'
    assert answer.text.splitlines()[-1] == last


def test_an_export_that_breaks_off_has_no_last_line_and_is_told_of(
    alice: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = alice.new_schedule()
    write_runs(engine, schedule["connector_id"], 600)
    whole = export.list_runs

    def fail_later(*given: object, **named: object) -> object:
        if named["after"] is not None:
            raise ConnectionAbortedError
        return whole(*given, **named)

    monkeypatch.setattr(export, "list_runs", fail_later)
    headers = {"Authorization": f"Bearer {alice.key}"}
    answer = alice.client.get("/api/v2/runs/export", headers=headers, buffered=False)
    received = []
    with pytest.raises(CutOffError) as caught:
        received.extend(answer.iter_encoded())
    assert b"".join(received).count(b"\n") == 501
    assert b"#complete" not in b"".join(received)
    [told] = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert told.syncline_fields["event"] == "export_cut_off"
    assert told.syncline_fields["request_id"] == answer.headers["X-Request-Id"]
    assert "ConnectionAbortedError" in told.syncline_fields["error_class"]
    assert "ConnectionAborted" not in "".join(traceback.format_exception(caught.value))


def test_an_export_whose_first_page_cannot_be_read_is_a_problem(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise PoolTimeoutError

    monkeypatch.setattr("shared.flow.export.list_runs", fail)
    answer = alice.get("/api/v2/runs/export")
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")


def test_runs_that_are_written_meanwhile_move_no_page(
    alice: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = alice.new_schedule()["connector_id"]
    write_runs(engine, connector, 30, "skipped", "overlap", kind="old")
    written, frontier = 0, Log._frontier

    def write_one_first(*given: object) -> object:
        nonlocal written
        written += 1
        write_runs(engine, connector, 1, "skipped", "overlap", kind=f"new{written}")
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE workspace_connector_sync_log SET created_at = now()"
                    " WHERE idempotency_key LIKE '%new%'"
                )
            )
        return frontier(*given)

    monkeypatch.setattr(log_pages, "MOST_LOOKED_AT", 10)
    monkeypatch.setattr(Log, "_frontier", write_one_first)
    path = f"/api/v2/runs?connector_id={connector}&reason=overlap"
    found = [run["id"] for page in pages(alice, path, 20) for run in page]
    assert written >= 3
    assert len(found) == len(set(found)) == 30
