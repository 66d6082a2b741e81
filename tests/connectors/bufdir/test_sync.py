"""A report is sent once a period, with what belongs to it, and its receipt is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import pytest

from shared.domain.dataset import dataset_name
from shared.egress.lines import Lines
from shared.errors import LeaseLostError, PermanentError
from tests.connectors.bufdir.office import TOKEN, Office, says
from tests.connectors.bufdir.reporter import APRIL, SCHEMA, Reporter, config_of
from tests.connectors.databases import Postgres


def test_the_rows_of_the_period_before_are_sent_and_the_receipt_is_kept(
    reporter: Reporter, office: Office
) -> None:
    result = reporter.sync()

    [came] = office.came
    assert (came.method, came.path) == ("POST", "/figures")
    assert came.headers["content-type"] == "application/json"
    assert came.key == f"{reporter.connector_id}:2026-Q1:0"
    assert came.report == {
        "period": {"name": "2026-Q1", "first_day": "2026-01-01", "last_day": "2026-03-31"},
        "correction": 0,
        "rows": [{"case": 1, "hours": None}, {"case": 2, "hours": 1.5}],
    }
    assert b'"hours":1.50}' in came.body
    [receipt] = reporter.receipts()
    assert (receipt.state, receipt.receipt, receipt.http_status) == ("accepted", "R-1", 200)
    assert (receipt.row_count, receipt.requests) == (2, 1)
    assert receipt.payload_sha256 == sha256(came.body).hexdigest()
    assert result.records_processed == 2
    assert result.finished == {"report": "report_receipt"}


def test_a_repeat_of_a_period_sends_nothing_and_says_so(reporter: Reporter, office: Office) -> None:
    reporter.sync()
    assert reporter.told() == {
        "2026-Q1": {
            "correction": 0,
            "state": "accepted",
            "was_sent": False,
            "rows": 2,
            "receipt": "R-1",
            "idempotency_key": f"{reporter.connector_id}:2026-Q1:0",
        }
    }
    assert reporter.sync().records_processed == 0
    assert len(office.came) == 1


def test_the_next_period_is_another_report(reporter: Reporter, office: Office) -> None:
    reporter.sync()
    reporter.sync(period_at=APRIL + timedelta(days=91))
    assert [one.report["period"]["name"] for one in office.taken] == ["2026-Q1", "2026-Q2"]
    assert reporter.states() == [("2026-Q1", 0, "accepted"), ("2026-Q2", 0, "accepted")]


def test_a_report_without_rows_is_a_report(reporter: Reporter, office: Office) -> None:
    reporter.sync(period_at=datetime(2020, 4, 1, tzinfo=UTC))
    assert office.taken[0].report["rows"] == []


def test_the_calendar_of_the_schedules_zone_says_what_the_period_is(
    reporter: Reporter, office: Office
) -> None:
    late = datetime(2026, 3, 31, 22, tzinfo=UTC)
    reporter.sync(period_at=late, timezone="Europe/Oslo")
    reporter.sync(period_at=late, timezone="Europe/London")
    names = [one.report["period"]["name"] for one in office.taken]
    assert names == ["2026-Q1", "2025-Q4"]


def test_a_put_goes_to_the_address_of_its_period(visits: Postgres, office: Office) -> None:
    endpoint = {"url": f"{office.url}/{{period}}/{{correction}}", "method": "PUT"}
    endpoint |= {"idempotency_header": "X-Request-Id"}
    config = config_of(office, endpoint=endpoint)
    Reporter(visits, config).sync()
    [came] = office.came
    assert (came.method, came.path) == ("PUT", "/figures/2026-Q1/0")
    assert came.headers["x-request-id"].endswith(":2026-Q1:0")


def test_a_token_is_fetched_before_the_report_and_sent_with_it(
    visits: Postgres, office: Office
) -> None:
    auth = {"type": "oauth2_client_credentials", "client_id": "a", "client_secret": "b"}
    auth |= {"token_url": f"http://127.0.0.1:{office.port}/token"}
    Reporter(visits, config_of(office, auth=auth)).sync()
    assert (office.tokens, office.came[0].headers["authorization"]) == (1, f"Bearer {TOKEN}")


def test_a_login_that_fails_leaves_no_trace_of_a_report(visits: Postgres, office: Office) -> None:
    auth = {"type": "oauth2_client_credentials", "client_id": "a", "client_secret": "b"}
    auth |= {"token_url": f"{office.url}/no-token"}
    reporter = Reporter(visits, config_of(office, auth=auth))
    with pytest.raises(PermanentError) as caught:
        reporter.sync()
    assert caught.value.code == "authorization"
    assert reporter.states() == []


def test_an_answer_without_a_receipt_number_is_enough_where_none_is_expected(
    visits: Postgres, office: Office
) -> None:
    office.answer = lambda _number: {}
    reporter = Reporter(visits, config_of(office, endpoint={"receipt_path": None}))
    reporter.sync()
    assert [(one.state, one.receipt) for one in reporter.receipts()] == [("accepted", None)]


def test_more_rows_than_allowed_are_not_sent(visits: Postgres, office: Office) -> None:
    reporter = Reporter(visits, config_of(office, most_rows=1))
    with pytest.raises(PermanentError, match="would have 2 rows, and may have 1"):
        reporter.sync()
    assert (office.came, reporter.states()) == ([], [])


def test_a_report_above_32_mib_is_not_sent(reporter: Reporter, office: Office) -> None:
    reporter.dataset.execute(
        f"ALTER TABLE {SCHEMA}.visit ALTER hours TYPE text",
        f"UPDATE {SCHEMA}.visit SET hours = repeat('x', 17 * 1024 * 1024)",
    )
    with pytest.raises(PermanentError, match="larger than 32 MiB"):
        reporter.sync()
    assert office.came == []


def test_a_dataset_that_was_not_handed_over_is_not_read(reporter: Reporter, office: Office) -> None:
    with pytest.raises(PermanentError, match=r"dataset\.connector_id"):
        reporter.sync(datasets={})
    assert (office.came, reporter.states()) == ([], [])


def test_a_worker_without_the_lease_sends_nothing(reporter: Reporter, office: Office) -> None:
    calls = iter([None, LeaseLostError("gone")])

    def confirm() -> None:
        error = next(calls)
        if error is not None:
            raise error

    with pytest.raises(LeaseLostError):
        reporter.sync(confirm)
    assert (office.came, reporter.states()) == ([], [])


def test_the_workspaces_reader_reads_the_receipts(reporter: Reporter) -> None:
    role = f"reader_{uuid4().hex}"
    reporter.dataset.execute(f"CREATE ROLE {role} NOLOGIN")
    try:
        reporter.sync(reader=role)
        table = f"{dataset_name(reporter.connector_id)}.report_receipt"
        query = f"SELECT has_table_privilege('{role}', '{table}', 'select')"
        assert reporter.dataset.rows(query) == [(True,)]
        assert reporter.dataset.rows(f"SELECT payload FROM {table}") == [(None,)]
    finally:
        reporter.dataset.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_slice_without_time_does_one_report_and_leaves_the_others(
    reporter: Reporter, office: Office, is_refused: bool
) -> None:
    reporter.sync(period_at=datetime(2025, 12, 1, tzinfo=UTC))
    reporter.correct("2025-Q3")
    office.faults = [says(422)] if is_refused else []
    request = replace(reporter.request, run_id=uuid4(), has_time=lambda: False)

    first = reporter.type.sync(request, lambda: None)

    position = (first.positions or {})["report"]
    assert position["left"] == ["2026-Q1"]
    again = replace(request, positions={"report": position}, lines=Lines())
    if is_refused:
        with pytest.raises(PermanentError, match="the report for 2025-Q3"):
            reporter.type.sync(again, lambda: None)
    else:
        assert reporter.type.sync(again, lambda: None).metadata["reports"].keys() == {"2026-Q1"}
    assert reporter.states() == [
        ("2025-Q3", 0, "accepted"),
        ("2025-Q3", 1, "refused" if is_refused else "accepted"),
        ("2026-Q1", 0, "accepted"),
    ]
