"""/api/v2/connectors/{id}/dataset, where the records are; /api/v2/dataset-reader, their login."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from shared.connectors.dataset.address import DatasetPlace
from shared.connectors.dataset.look import DatasetTable
from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.domain.bigquery_address import BigQueryAddress
from shared.errors import BusyError
from shared.flow.datasets import dataset_of, end_own_reader, new_reader
from shared.flow.gate import Gate
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.operations import DATASET_PROBLEMS, Answers
from shared.web.present import instant
from shared.web.routes import Routes
from shared.web.shapes.datasets import Dataset, DatasetReader

_NO_ADDRESS = (
    "This deployment reaches its datasets by a socket of its own machine, and nobody told it by"
    " which address others do: ask who runs it to set SYNCLINE_DATASET_PUBLIC_URL."
)

_gate = Gate(at_once=4, of_one=2, what="looks at datasets", pause=timedelta(seconds=5))
"""A look may take 10 seconds, and an instance serves few requests at once."""

routes = Routes("datasets", "/api/v2", tag="Datasets", changes=ObjectKind.DATASET_READER)


@routes.on(
    "GET",
    "/connectors/<uuid:connector>/dataset",
    "read_dataset",
    Role.VIEWER,
    Answers(
        HTTPStatus.OK,
        Dataset,
        {**DATASET_PROBLEMS, HTTPStatus.TOO_MANY_REQUESTS: (BusyError.code,)},
    ),
)
def read(connector: uuid.UUID) -> dict[str, Any]:
    """Tell where a connector's records are, with its tables, their rows and how fresh they are."""
    parts = wiring()
    with _gate.passed(principal().workspace_id):
        found = dataset_of(parts.engine, parts.settings, principal(), connector)
    streams = {row["dataset_table"]: row for row in found.streams}
    rejects = found.view.rejects
    return {
        **_present_place(found.place),
        "schema": found.schema,
        "tables": [_present_table(table, streams) for table in found.view.tables],
        "truncated": found.view.is_truncated,
        "streams": [_present_stream(row) for row in found.streams],
        "rejected_records": 0 if rejects is None else rejects.rows,
        "rejected_records_are_estimated": rejects is not None and rejects.is_estimate,
    }


@routes.on(
    "POST",
    "/dataset-reader",
    "make_dataset_reader",
    Role.ADMIN,
    Answers(
        HTTPStatus.CREATED,
        DatasetReader,
        {**DATASET_PROBLEMS, HTTPStatus.CONFLICT: ("readers_by_iam",)},
    ),
)
def make_reader() -> tuple[dict[str, Any], int]:
    """Make the login that reads all datasets of the workspace; an older password ends."""
    parts = wiring()
    reader = new_reader(parts.engine, parts.settings, principal())
    shown = {"user": reader.role, "password": reader.password, "url": reader.url}
    if reader.url is None:
        shown["url_missing"] = _NO_ADDRESS
    return {**_present_place(reader.place), **shown}, 201


@routes.on(
    "DELETE",
    "/dataset-reader",
    "end_dataset_reader",
    Role.ADMIN,
    Answers(HTTPStatus.NO_CONTENT, problems=DATASET_PROBLEMS),
)
def revoke_reader() -> tuple[str, int]:
    """Take that login away and end its connections; also if there is none."""
    parts = wiring()
    end_own_reader(parts.engine, parts.settings.dataset_url, principal())
    return "", 204


def _present_place(place: DatasetPlace | BigQueryAddress) -> dict[str, Any]:
    if isinstance(place, BigQueryAddress):
        return {"kind": "bigquery", "project": place.project, "location": place.location}
    return {
        "kind": "postgresql",
        "host": place.host,
        "port": place.port,
        "database": place.database,
        "sslmode": place.sslmode,
    }


def _present_table(table: DatasetTable, streams: Mapping[str | None, Row]) -> dict[str, Any]:
    stream = streams.get(table.name)
    return {
        "name": table.name,
        "stream": None if stream is None else stream["stream"],
        "rows": table.rows,
        "rows_are_estimated": table.is_estimate,
        "size_bytes": table.size_bytes,
        "modified_at": instant(table.modified_at),
        "synced_at": None if stream is None else instant(stream["synced_at"]),
    }


def _present_stream(row: Row) -> dict[str, Any]:
    return {
        "stream": row["stream"],
        "table": row["dataset_table"],
        "status": row["status"],
        "fault": row["fault"],
        "error": row["error"],
        "synced_at": instant(row["synced_at"]),
    }
