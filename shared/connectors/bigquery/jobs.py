"""Jobs of one slice in BigQuery: each has a name from us, so that none runs twice.

A request whose answer was lost is repeated under the same name, and finds its job. A job outlives
who began it: what it must not do then its own statements have to know.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from google.api_core.exceptions import Conflict
from google.cloud.bigquery import (
    Client,
    LoadJob,
    LoadJobConfig,
    QueryJob,
    QueryJobConfig,
    ScalarQueryParameter,
    SchemaField,
    SourceFormat,
    TableReference,
    WriteDisposition,
)

from shared.clock import monotonic
from shared.connectors.bigquery.client import CALL_SECONDS, REPEATED, UPLOAD_SECONDS
from shared.connectors.bigquery.failures import JobFailedError
from shared.connectors.bigquery.upload import CHUNK_BYTES, upload
from shared.domain.bigquery_address import BigQueryAddress
from shared.domain.run import Reason
from shared.egress.lines import STATEMENT
from shared.errors import LeaseLostError, TransientError

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGER = 0.05, 2.0, 1.5
_STEP = 0.2
"""Of a pause, behind each of which it is asked whether to stay."""

_DONE = "DONE"
_JobT = TypeVar("_JobT", QueryJob, LoadJob)

Parameters = Mapping[str, tuple[str, str | int]]
"""By name, the type and value of what a query is given."""


@dataclass(frozen=True, slots=True)
class JobTerms:
    """For whom jobs are, named after `lease`, and by what they are told apart on a bill: `labels`.

    `pauses` are seconds: so long a job waits before it is begun anew, each time that another
    transaction got in its way.
    """

    lease: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    pauses: Sequence[float] = (1.0, 2.0, 4.0)


class Jobs:
    """Begins jobs, and waits for each.

    `stay` is called while a job runs: what it raises ends the wait, and the job.
    """

    def __init__(
        self,
        client: Client,
        address: BigQueryAddress,
        terms: JobTerms,
        stay: Callable[[], object],
    ) -> None:
        self._client = client
        self._address = address
        self._terms = terms
        self._stay = stay
        self._begun: dict[str, int] = {}

    def query(self, name: str, sql: str, parameters: Parameters | None = None) -> QueryJob:
        """Run a query or a script under this name, and return its job at its end.

        Raises `JobFailedError`, what the client raises, or what `stay` does.
        """
        given = [ScalarQueryParameter(key, *one) for key, one in (parameters or {}).items()]
        config = QueryJobConfig(
            query_parameters=given, use_query_cache=False, labels=dict(self._terms.labels)
        )
        config.maximum_bytes_billed = self._address.maximum_bytes_billed

        def begin(job_id: str) -> QueryJob:
            return self._client.query(
                sql,
                job_config=config,
                job_id=job_id,
                retry=REPEATED,
                job_retry=None,
                timeout=CALL_SECONDS,
            )

        return self._run(name, begin)

    def script(self, name: str, sql: str) -> Mapping[str, Any]:
        """Run a script that ends in a query of one row; return the row.

        One that was cancelled for another transaction is begun anew, a few times.
        """
        return self.row(self.repeated(lambda: self.query(name, sql)))

    def repeated(self, run: Callable[[], QueryJob]) -> QueryJob:
        """Run a job, and again, a few times, if another transaction got in its way.

        Raises `TransientError` if one does each time.
        """
        for pause in (*self._terms.pauses, None):
            try:
                return run()
            except JobFailedError as error:
                if not error.is_conflict:
                    raise
            if pause is not None:
                self._rest(pause)
        raise TransientError(
            "Something else kept changing the connector's tables in BigQuery while the load wrote"
            " them: another load, or statements of somebody.",
            code=Reason.DATASET_BUSY,
        )

    def row(self, job: QueryJob) -> Mapping[str, Any]:
        """Return the one row of a query that is done."""
        rows = job.result(retry=REPEATED, timeout=CALL_SECONDS, job_retry=None)
        return dict(next(iter(rows)).items())

    def load(
        self, name: str, path: Path, table: TableReference, schema: Sequence[SchemaField]
    ) -> None:
        """Load the rows of a file of JSON lines into a table of this schema that has none."""
        config = LoadJobConfig(
            source_format=SourceFormat.NEWLINE_DELIMITED_JSON,
            write_disposition=WriteDisposition.WRITE_EMPTY,
            schema=list(schema),
            labels=dict(self._terms.labels),
        )

        def begin(job_id: str) -> LoadJob:
            if path.stat().st_size > CHUNK_BYTES:
                return self._upload(job_id, config, path, table)
            with path.open("rb") as file:
                return self._client.load_table_from_file(
                    file,
                    table,
                    size=path.stat().st_size,
                    job_id=job_id,
                    job_config=config,
                    timeout=UPLOAD_SECONDS,
                )

        self._run(name, begin)

    def _upload(
        self, job_id: str, config: LoadJobConfig, path: Path, table: TableReference
    ) -> LoadJob:
        client = self._client
        reference = {"projectId": client.project, "jobId": job_id, "location": client.location}
        configuration = config.to_api_repr()
        configuration["load"]["destinationTable"] = table.to_api_repr()
        job = {"jobReference": reference, "configuration": configuration}
        told = upload(self._address, path, job, self._stay)
        return cast("LoadJob", client.job_from_resource(dict(told)))

    def _run(self, name: str, begin: Callable[[str], _JobT]) -> _JobT:
        number = self._begun[name] = self._begun.get(name, 0) + 1
        job_id = f"syncline_{self._terms.lease}_{name}_{number}"
        try:
            job = begin(job_id)
        except Conflict:
            # An answer was lost on its way, and the job is under way.
            found = self._client.get_job(job_id, retry=REPEATED, timeout=CALL_SECONDS)
            job = cast("_JobT", found)
        self._wait(job)
        if job.error_result:
            raise JobFailedError(
                str(job.error_result.get("reason", "")), str(job.error_result.get("message", ""))
            )
        return job

    def _wait(self, job: QueryJob | LoadJob) -> None:
        pause, due = _FIRST_PAUSE, monotonic() + STATEMENT.total_seconds()
        while job.state != _DONE:
            try:
                self._stay()
            except LeaseLostError:
                self._cancel(job)
                raise
            if monotonic() > due:
                self._cancel(job)
                raise TransientError(
                    "BigQuery took too long for a load, and was told to stop.",
                    code=Reason.DATASET_UNAVAILABLE,
                )
            time.sleep(pause)
            pause = min(pause * _LONGER, _LONGEST_PAUSE)
            job.reload(retry=REPEATED, timeout=CALL_SECONDS)

    def _rest(self, seconds: float) -> None:
        due = monotonic() + seconds
        while (left := due - monotonic()) > 0:
            self._stay()
            time.sleep(min(left, _STEP))

    def _cancel(self, job: QueryJob | LoadJob) -> None:
        # As far as it can be: the turn decides what the job may still do.
        with suppress(Exception):
            job.cancel(retry=None, timeout=CALL_SECONDS)
