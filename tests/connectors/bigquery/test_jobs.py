"""Jobs that run once whatever becomes of requests, and end with their lease."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from google.cloud.bigquery import Client, SchemaField, TableReference

from infra.local.bigquery.faults import Fault, FaultKind
from infra.local.bigquery.running import RunningBigQuery
from shared.connectors.bigquery.client import open_client
from shared.connectors.bigquery.failures import JobFailedError
from shared.connectors.bigquery.jobs import Jobs, JobTerms
from shared.connectors.bigquery.tables import Place, Tables
from shared.connectors.bigquery.upload import CHUNK_BYTES
from shared.domain.bigquery_address import BigQueryAddress, parse_address
from shared.domain.run import Reason
from shared.errors import LeaseLostError, TransientError

CONFLICT = "Transaction is aborted due to concurrent update against table"
LABELS = {"syncline_connector": "7b0e0d3c"}


@pytest.fixture
def address(bigquery: RunningBigQuery) -> BigQueryAddress:
    return parse_address(f"{bigquery.dataset_url}&maximum_bytes_billed=1000000000")


@pytest.fixture
def client(address: BigQueryAddress) -> Iterator[Client]:
    client = open_client(address)
    yield client
    client.close()


def stay() -> None:
    """Keep every lease."""


def lose() -> None:
    raise LeaseLostError("Another worker holds the run.")


NewJobs = Callable[..., Jobs]


@pytest.fixture
def new_jobs(client: Client, address: BigQueryAddress) -> NewJobs:
    """Return what makes the jobs of a lease."""

    def make(
        stay: Callable[[], object] = stay, pauses: Sequence[float] = (0.01, 0.01, 0.01)
    ) -> Jobs:
        return Jobs(client, address, JobTerms("lease_1", LABELS, pauses), stay)

    return make


def made_table(client: Client) -> tuple[TableReference, Sequence[SchemaField]]:
    """Make a table of notes."""
    fields = [SchemaField("note", "STRING")]
    table = Place(client.project, "d").target("t")
    Tables(client, "europe-north1", {}, stay).make(table, fields)
    return table, fields


def write_rows(path: Path, letters: str) -> None:
    """Write a row of a million letters for each."""
    path.write_text("\n".join(json.dumps({"note": letter * 1_000_000}) for letter in letters))


def test_a_request_whose_answer_was_lost_finds_its_job(
    bigquery: RunningBigQuery, new_jobs: NewJobs
) -> None:
    bigquery.faults.add(Fault(FaultKind.LOST_ANSWER, "POST /bigquery/v2/projects"))
    jobs = new_jobs()
    assert jobs.script("ask", "SELECT 7 AS n;") == {"n": 7}
    assert bigquery.jobs.names() == ["syncline_lease_1_ask_1"]


def test_a_file_too_large_for_one_request_is_loaded_once(
    bigquery: RunningBigQuery, client: Client, new_jobs: NewJobs, tmp_path: Path
) -> None:
    path = tmp_path / "rows.json"
    write_rows(path, "abcdef")
    table, fields = made_table(client)
    bigquery.faults.add(Fault(FaultKind.LOST_ANSWER, "PUT /upload"))
    new_jobs().load("stage", path, table, fields)
    assert bigquery.store.table("d", "t")["numRows"] == "6"


def test_a_call_that_is_limited_is_made_again(bigquery: RunningBigQuery, new_jobs: NewJobs) -> None:
    bigquery.faults.add(Fault(FaultKind.REFUSED_CALL, "/jobs", reason="rateLimitExceeded"))
    assert new_jobs().script("ask", "SELECT 7 AS n;") == {"n": 7}


def test_a_script_that_another_transaction_got_in_the_way_of_is_begun_anew(
    bigquery: RunningBigQuery, new_jobs: NewJobs
) -> None:
    bigquery.faults.add(
        Fault(FaultKind.FAILED_JOB, "_ask_", reason="invalidQuery", message=CONFLICT, times=2)
    )
    assert new_jobs().script("ask", "SELECT 7 AS n;") == {"n": 7}
    assert bigquery.jobs.names() == [f"syncline_lease_1_ask_{number}" for number in (1, 2, 3)]


def test_a_job_that_failed_tells_its_reason_and_not_its_message(
    bigquery: RunningBigQuery, new_jobs: NewJobs
) -> None:
    bigquery.faults.add(Fault(FaultKind.FAILED_JOB, "_ask_", message="canary"))
    with pytest.raises(JobFailedError, match=r"^backendError$"):
        new_jobs().script("ask", "SELECT 7 AS n;")


def test_a_job_ends_with_its_lease(bigquery: RunningBigQuery, new_jobs: NewJobs) -> None:
    bigquery.faults.add(Fault(FaultKind.HELD_JOB, "_ask_"))
    with pytest.raises(LeaseLostError):
        new_jobs(lose).script("ask", "SELECT 7 AS n;")
    (name,) = bigquery.jobs.names()
    bigquery.jobs.wait(name, 10)
    assert bigquery.jobs.job(name)["status"]["errorResult"]["reason"] == "stopped"


def test_a_script_that_is_always_in_the_way_of_another_says_that_it_is_so(
    bigquery: RunningBigQuery, new_jobs: NewJobs
) -> None:
    bigquery.faults.add(
        Fault(FaultKind.FAILED_JOB, "_ask_", reason="invalidQuery", message=CONFLICT, times=9)
    )
    with pytest.raises(TransientError, match="another load, or statements of somebody") as told:
        new_jobs().script("ask", "SELECT 7 AS n;")
    assert told.value.code == Reason.DATASET_BUSY
    assert len(bigquery.jobs.names()) == 4


def test_the_pause_before_a_script_is_begun_anew_ends_with_the_lease(
    bigquery: RunningBigQuery, new_jobs: NewJobs
) -> None:
    bigquery.faults.add(
        Fault(FaultKind.FAILED_JOB, "_ask_", reason="invalidQuery", message=CONFLICT)
    )
    with pytest.raises(LeaseLostError):
        new_jobs(lose, pauses=(3_600,)).script("ask", "SELECT 7 AS n;")
    assert len(bigquery.jobs.names()) == 1


def test_a_query_says_whose_it_is_and_what_it_may_cost(
    bigquery: RunningBigQuery, new_jobs: NewJobs
) -> None:
    new_jobs().script("ask", "SELECT 7 AS n;")
    (name,) = bigquery.jobs.names()
    configuration = bigquery.jobs.job(name)["configuration"]
    assert configuration["labels"] == LABELS
    assert configuration["query"]["maximumBytesBilled"] == "1000000000"


@pytest.mark.parametrize("letters", ["a", "abcdef"])
def test_a_load_says_whose_it_is(
    bigquery: RunningBigQuery, client: Client, new_jobs: NewJobs, tmp_path: Path, letters: str
) -> None:
    table, fields = made_table(client)
    write_rows(tmp_path / "rows.json", letters)
    new_jobs().load("stage", tmp_path / "rows.json", table, fields)
    (name,) = bigquery.jobs.names()
    assert bigquery.jobs.job(name)["configuration"]["labels"] == LABELS


def test_a_file_is_sent_in_chunks_as_long_as_the_lease_is_held(
    bigquery: RunningBigQuery, client: Client, new_jobs: NewJobs, tmp_path: Path
) -> None:
    table, fields = made_table(client)
    path = tmp_path / "rows.json"
    write_rows(path, "abcdefghi")
    chunks = -(-path.stat().st_size // CHUNK_BYTES)
    begun: list[int] = []

    def lose_at_the_last() -> None:
        begun.append(len(bigquery.jobs.names()))
        if len(begun) == chunks:
            lose()

    with pytest.raises(LeaseLostError):
        new_jobs(lose_at_the_last).load("stage", path, table, fields)
    assert (chunks, begun) == (3, [0, 0, 0])
    assert bigquery.jobs.names() == []
