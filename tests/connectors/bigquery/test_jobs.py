"""Jobs that run once whatever becomes of requests, and end with their lease."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud.bigquery import Client, SchemaField

from infra.local.bigquery.faults import Fault, FaultKind
from infra.local.bigquery.running import RunningBigQuery
from shared.connectors.bigquery.client import open_client
from shared.connectors.bigquery.failures import JobFailedError
from shared.connectors.bigquery.jobs import Jobs
from shared.connectors.bigquery.tables import Place, Tables
from shared.domain.bigquery_address import parse_address
from shared.errors import LeaseLostError


@pytest.fixture
def client(bigquery: RunningBigQuery) -> Iterator[Client]:
    client = open_client(parse_address(bigquery.dataset_url))
    yield client
    client.close()


def stay() -> None:
    """Keep every lease."""


def test_a_request_whose_answer_was_lost_finds_its_job(
    bigquery: RunningBigQuery, client: Client
) -> None:
    bigquery.faults.add(Fault(FaultKind.LOST_ANSWER, "POST /bigquery/v2/projects"))
    jobs = Jobs(client, "lease_1", stay)
    assert jobs.script("ask", "SELECT 7 AS n;") == {"n": 7}
    assert bigquery.jobs.names() == ["syncline_lease_1_ask_1"]


def test_a_file_too_large_for_one_request_is_loaded_once(
    bigquery: RunningBigQuery, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "rows.json"
    path.write_text("\n".join(json.dumps({"note": letter * 1_000_000}) for letter in "abcdef"))
    fields = [SchemaField("note", "STRING")]
    place, tables = Place(client.project, "d"), Tables(client, "europe-north1")
    tables.make_datasets(place)
    tables.make(place.target("t"), fields)
    bigquery.faults.add(Fault(FaultKind.LOST_ANSWER, "PUT /upload"))
    Jobs(client, "lease_1", stay).load("stage", path, place.target("t"), fields)
    assert bigquery.store.table("d", "t")["numRows"] == "6"


def test_a_call_that_is_limited_is_made_again(bigquery: RunningBigQuery, client: Client) -> None:
    bigquery.faults.add(Fault(FaultKind.REFUSED_CALL, "/jobs", reason="rateLimitExceeded"))
    assert Jobs(client, "lease_1", stay).script("ask", "SELECT 7 AS n;") == {"n": 7}


def test_a_script_that_another_transaction_got_in_the_way_of_is_begun_anew(
    bigquery: RunningBigQuery, client: Client
) -> None:
    message = "Transaction is aborted due to concurrent update against table"
    bigquery.faults.add(
        Fault(FaultKind.FAILED_JOB, "_ask_", reason="invalidQuery", message=message, times=2)
    )
    assert Jobs(client, "lease_1", stay).script("ask", "SELECT 7 AS n;") == {"n": 7}
    assert bigquery.jobs.names() == [f"syncline_lease_1_ask_{number}" for number in (1, 2, 3)]


def test_a_job_that_failed_tells_its_reason_and_not_its_message(
    bigquery: RunningBigQuery, client: Client
) -> None:
    bigquery.faults.add(Fault(FaultKind.FAILED_JOB, "_ask_", message="canary"))
    with pytest.raises(JobFailedError, match=r"^backendError$"):
        Jobs(client, "lease_1", stay).script("ask", "SELECT 7 AS n;")


def test_a_job_ends_with_its_lease(bigquery: RunningBigQuery, client: Client) -> None:
    def lose() -> None:
        raise LeaseLostError("Another worker holds the run.")

    bigquery.faults.add(Fault(FaultKind.HELD_JOB, "_ask_"))
    with pytest.raises(LeaseLostError):
        Jobs(client, "lease_1", lose).script("ask", "SELECT 7 AS n;")
    (name,) = bigquery.jobs.names()
    bigquery.jobs.wait(name, 10)
    assert bigquery.jobs.job(name)["status"]["errorResult"]["reason"] == "stopped"
