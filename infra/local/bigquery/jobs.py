"""Jobs: each has one name for ever, runs in a thread of its own, and comes to an end."""

import gzip
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import Column
from psycopg2.extras import execute_values
from psycopg2.sql import SQL, Identifier

from infra.local.bigquery.errors import BigQueryError
from infra.local.bigquery.faults import Faults
from infra.local.bigquery.kinds import answered, loaded, stored_type, told_type
from infra.local.bigquery.scripts import Result, Script
from infra.local.bigquery.statements import physical
from infra.local.bigquery.store import Resource, Store

_GZIP = b"\x1f\x8b"
_PAGE_ROWS = 1_000
_PROMPT_SECONDS = 0.2
"""A job that ends as fast as this is told as done in the answer to its request."""
_HELD_SECONDS = 30.0
_INTEGER_TYPES = frozenset({"INT64", "INTEGER"})


class Jobs:
    """The jobs of a project; they are forgotten with the process."""

    def __init__(self, store: Store, faults: Faults, project: str) -> None:
        self._store = store
        self._faults = faults
        self._project = project
        self._jobs: dict[str, Resource] = {}
        self._results: dict[str, Result] = {}
        self._ends: dict[str, threading.Event] = {}
        self._pids: dict[str, int] = {}
        self._released: dict[str, threading.Event] = {}
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, resource: Resource, content: bytes = b"") -> Resource:
        """Begin a job; raise `BigQueryError` if there was one of its name."""
        job_id = resource["jobReference"]["jobId"]
        with self._lock:
            if job_id in self._jobs:
                raise BigQueryError("duplicate", f"Already Exists: Job {job_id}")
            job = {
                "kind": "bigquery#job",
                "jobReference": {
                    "projectId": self._project,
                    "jobId": job_id,
                    "location": resource["jobReference"].get("location", "EU"),
                },
                "configuration": resource["configuration"],
                "status": {"state": "RUNNING"},
                "statistics": {},
            }
            self._jobs[job_id] = job
            self._ends[job_id] = threading.Event()
            self._released[job_id] = threading.Event()
        threading.Thread(target=self._run, args=(job_id, content), daemon=True).start()
        self._ends[job_id].wait(_PROMPT_SECONDS)
        return self.job(job_id)

    def job(self, job_id: str) -> Resource:
        """Return a job as it is now; raise `BigQueryError` if there is none."""
        with self._lock:
            if job_id not in self._jobs:
                raise BigQueryError("notFound", f"Not found: Job {job_id}")
            return dict(self._jobs[job_id])

    def names(self) -> Sequence[str]:
        """Return the names of all jobs, in the order of their beginnings."""
        with self._lock:
            return list(self._jobs)

    def wait(self, job_id: str, seconds: float) -> None:
        """Wait for a job to end, so long at most."""
        self.job(job_id)
        self._ends[job_id].wait(seconds)

    def results(self, job_id: str) -> tuple[Sequence[Column], list[tuple[Any, ...]], int | None]:
        """Return what a query that is done came to."""
        result = self._results.get(job_id, Result())
        return result.columns, result.rows, result.changed

    def cancel(self, job_id: str) -> Resource:
        """Stop a job, if it is under way."""
        job = self.job(job_id)
        pid = self._pids.get(job_id)
        self._cancelled.add(job_id)
        self.release(job_id)
        if job["status"]["state"] != "DONE" and pid is not None:
            with self._store.cursor() as cursor:
                cursor.execute("SELECT pg_cancel_backend(%s)", (pid,))
        return job

    def release(self, job_id: str) -> None:
        """Let a job that is held up go on."""
        self._released[job_id].set()

    def _run(self, job_id: str, content: bytes) -> None:
        configuration = self._jobs[job_id]["configuration"]
        status: dict[str, Any] = {"state": "DONE"}
        statistics: dict[str, Any] = {}
        try:
            self._meet_faults(job_id)
            if "load" in configuration:
                statistics["load"] = {"outputRows": str(self._load(configuration["load"], content))}
            else:
                statistics["query"] = self._query(job_id, configuration["query"])
        except BigQueryError as error:
            status |= {"errorResult": error.proto, "errors": [error.proto]}
        except Exception as error:  # noqa: BLE001 (whatever it is, the job has to end)
            told = BigQueryError("internalError", f"{type(error).__name__}: {error}").proto
            status |= {"errorResult": told, "errors": [told]}
        with self._lock:
            job = self._jobs[job_id]
            self._jobs[job_id] = {**job, "status": status, "statistics": statistics}
        self._ends[job_id].set()

    def _meet_faults(self, job_id: str) -> None:
        self._faults.of_job(job_id)
        if self._faults.holds_job(job_id):
            self._released[job_id].wait(_HELD_SECONDS)
        if job_id in self._cancelled:
            raise BigQueryError("stopped", "Job execution was cancelled")

    def _query(self, job_id: str, query: Mapping[str, Any]) -> Resource:
        if query.get("useLegacySql", True):
            raise BigQueryError("invalidQuery", "Legacy SQL is not spoken here")
        with self._store.connection() as connection:
            self._pids[job_id] = connection.info.backend_pid
            parameters = dict(map(_parameter, query.get("queryParameters", ())))
            result = Script(self._store, connection, query["query"], parameters).run()
        self._results[job_id] = result
        changed = {} if result.changed is None else {"numDmlAffectedRows": str(result.changed)}
        return {"statementType": "SCRIPT", **changed}

    def _load(self, load: Mapping[str, Any], content: bytes) -> int:
        table = load["destinationTable"]
        dataset, name = table["datasetId"], table["tableId"]
        self._store.table(dataset, name)
        fields = {field["name"]: stored_type(field["type"]) for field in load["schema"]["fields"]}
        target = Identifier(dataset, physical(name))
        rows = list(_rows(content, fields))
        columns = SQL(", ").join(map(Identifier, fields))
        with self._store.cursor() as cursor:
            cursor.execute(SQL("SELECT FROM {} LIMIT 1").format(target))
            if cursor.rowcount and load.get("writeDisposition") == "WRITE_EMPTY":
                raise BigQueryError("duplicate", f"Already Exists: Table {dataset}.{name}")
            insert = SQL("INSERT INTO {} ({}) VALUES %s").format(target, columns)
            try:
                execute_values(cursor, insert.as_string(cursor), rows, page_size=_PAGE_ROWS)
            except psycopg2.Error as error:
                raise BigQueryError("invalid", f"Could not parse: {error}") from error
        self._store.note([], [(dataset, name)])
        return len(rows)


def _rows(content: bytes, fields: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    text = gzip.decompress(content) if content.startswith(_GZIP) else content
    for line in text.splitlines():
        try:
            record: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise BigQueryError("invalid", "Error while reading data: no JSON") from error
        if not record.keys() <= fields.keys():
            raise BigQueryError("invalid", "No such field")
        yield tuple(loaded(record.get(name), stored) for name, stored in fields.items())


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, Any]:
    value = parameter["parameterValue"].get("value")
    is_integer = parameter["parameterType"]["type"] in _INTEGER_TYPES
    return parameter["name"], int(value) if is_integer and value is not None else value


def schema_of(store: Store, columns: Sequence[Column]) -> list[Resource]:
    """Return the columns of an answer as the API has them."""
    if not columns:
        return []
    with store.cursor() as cursor:
        cursor.execute(
            "SELECT format_type(oid, CAST(-1 AS int)) FROM unnest(CAST(%s AS oid[]))"
            " WITH ORDINALITY AS t (oid, place) ORDER BY place",
            ([column.type_code for column in columns],),
        )
        kinds = [kind for (kind,) in cursor.fetchall()]
    return [
        {"name": column.name, "type": told_type(kind), "mode": "NULLABLE"}
        for column, kind in zip(columns, kinds, strict=True)
    ]


def rows_of(rows: Sequence[Sequence[Any]]) -> list[Resource]:
    """Return the rows of an answer as the API has them."""
    return [{"f": [{"v": answered(value)} for value in row]} for row in rows]
