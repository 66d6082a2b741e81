"""BigQuery's REST API, as far as the client asks for it."""

import json
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from uuid import uuid4

from flask import Flask, Response, jsonify, request

from infra.local.bigquery.errors import BigQueryError
from infra.local.bigquery.faults import Faults
from infra.local.bigquery.jobs import Jobs, rows_of, schema_of
from infra.local.bigquery.store import Resource, Store

PROJECT = "syncline-local"
"""The one project that there is."""

_PROJECT = "/bigquery/v2/projects/<project>"
_UPLOAD = "/upload/bigquery/v2/projects/<project>/jobs"
_LONGEST_WAIT = 10.0
_INCOMPLETE = 308


def make_app(store: Store, jobs: Jobs, faults: Faults) -> Flask:
    """Return the app that answers as BigQuery does."""
    app = Flask(__name__)
    _add_datasets(app, store)
    _add_tables(app, store)
    _add_jobs(app, store, jobs)
    _add_uploads(app, jobs)

    @app.url_value_preprocessor
    def check_project(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values and values.pop("project", PROJECT) != PROJECT:
            raise BigQueryError("notFound", "Not found: Project")

    @app.before_request
    def refuse() -> None:
        faults.of_call(f"{request.method} {request.path}")

    @app.after_request
    def lose(response: Response) -> Response:
        if faults.loses_answer(f"{request.method} {request.path}"):
            request.environ["werkzeug.socket"].close()
        return response

    @app.errorhandler(BigQueryError)
    def answer(error: BigQueryError) -> tuple[Response, int]:
        told = {"code": error.status, "message": str(error), "errors": [error.proto]}
        return jsonify({"error": told}), error.status

    return app


def _body() -> Resource:
    body: Resource = request.get_json(force=True)
    return body


def _add_datasets(app: Flask, store: Store) -> None:
    @app.post(f"{_PROJECT}/datasets")
    def make_dataset() -> Resource:
        return store.make_dataset(_body())

    @app.get(f"{_PROJECT}/datasets/<dataset>")
    def read_dataset(dataset: str) -> Resource:
        return store.dataset(dataset)

    @app.delete(f"{_PROJECT}/datasets/<dataset>")
    def drop_dataset(dataset: str) -> tuple[str, int]:
        if request.args.get("deleteContents") != "true" and store.tables(dataset):
            raise BigQueryError("resourceInUse", f"Dataset {dataset} is still in use")
        store.drop_dataset(dataset)
        return "", 204


def _add_tables(app: Flask, store: Store) -> None:
    path = f"{_PROJECT}/datasets/<dataset>/tables"

    @app.get(path)
    def list_tables(dataset: str) -> Resource:
        tables = [
            {
                "tableReference": {"projectId": PROJECT, "datasetId": dataset, "tableId": name},
                "type": "TABLE",
            }
            for name in store.tables(dataset)
        ]
        return {"tables": tables, "totalItems": len(tables)}

    @app.post(path)
    def make_table(dataset: str) -> Resource:
        return store.make_table(dataset, _body())

    @app.get(f"{path}/<table>")
    def read_table(dataset: str, table: str) -> Resource:
        return store.table(dataset, table)

    @app.patch(f"{path}/<table>")
    def change_table(dataset: str, table: str) -> Resource:
        return store.patch_table(dataset, table, _body(), request.headers.get("If-Match"))

    @app.delete(f"{path}/<table>")
    def drop_table(dataset: str, table: str) -> tuple[str, int]:
        store.drop_table(dataset, table)
        return "", 204


def _add_jobs(app: Flask, store: Store, jobs: Jobs) -> None:
    @app.post(f"{_PROJECT}/jobs")
    def begin_job() -> Resource:
        return jobs.begin(_body())

    @app.get(f"{_PROJECT}/jobs/<job>")
    def read_job(job: str) -> Resource:
        return jobs.job(job)

    @app.post(f"{_PROJECT}/jobs/<job>/cancel")
    def cancel_job(job: str) -> Resource:
        return {"job": jobs.cancel(job)}

    @app.get(f"{_PROJECT}/queries/<job>")
    def read_results(job: str) -> Resource:
        wait = float(request.args.get("timeoutMs", _LONGEST_WAIT * 1_000)) / 1_000
        jobs.wait(job, min(wait, _LONGEST_WAIT))
        found = jobs.job(job)
        if found["status"]["state"] != "DONE":
            return {"jobComplete": False, "jobReference": found["jobReference"]}
        if "errorResult" in found["status"]:
            error = found["status"]["errorResult"]
            raise BigQueryError(error["reason"], error["message"])
        columns, rows, changed = jobs.results(job)
        return {
            "jobComplete": True,
            "jobReference": found["jobReference"],
            "schema": {"fields": schema_of(store, columns)},
            "totalRows": str(len(rows)),
            **({} if request.args.get("maxResults") == "0" else {"rows": rows_of(rows)}),
            **({} if changed is None else {"numDmlAffectedRows": str(changed)}),
        }


def _add_uploads(app: Flask, jobs: Jobs) -> None:
    begun: dict[str, tuple[Resource, bytearray]] = {}
    kinds: dict[str, Callable[[], Any]] = {}

    def multipart() -> Resource:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts: Any = BytesParser(policy=HTTP).parsebytes(head + request.get_data()).get_payload()
        metadata, content = (part.get_payload(decode=True) for part in parts)
        return jobs.begin(json.loads(metadata), content)

    def resumable() -> Response:
        name = uuid4().hex
        begun[name] = (_body(), bytearray())
        return Response("", 200, {"Location": f"{request.base_url}?upload_id={name}"})

    kinds["multipart"], kinds["resumable"] = multipart, resumable

    @app.post(_UPLOAD)
    def begin_upload() -> Any:
        return kinds[request.args["uploadType"]]()

    @app.put(_UPLOAD)
    def go_on_uploading() -> Any:
        resource, content = begun[request.args["upload_id"]]
        content += request.get_data()
        total = request.headers["Content-Range"].rpartition("/")[2]
        if total in ("*", str(len(content))):
            return jobs.begin(resource, bytes(content))
        return Response("", _INCOMPLETE, {"Range": f"bytes=0-{len(content) - 1}"})
