"""/api/v2/connectors/{id}/dataset, where the records are; /api/v2/dataset-reader, their login."""

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from shared.connectors.dataset.look import DatasetPlace, DatasetTable
from shared.domain.access import Role
from shared.flow.datasets import dataset_of, new_reader
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.operations import SOURCE_PROBLEMS, Answers
from shared.web.present import instant
from shared.web.routes import Routes
from shared.web.shapes.datasets import Dataset, DatasetReader

routes = Routes("datasets", "/api/v2", tag="Datasets")


@routes.on(
    "GET",
    "/connectors/<uuid:connector>/dataset",
    "read_dataset",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Dataset, SOURCE_PROBLEMS),
)
def read(connector: uuid.UUID) -> dict[str, Any]:
    """Tell where a connector's records are, with its tables, their rows and how fresh they are."""
    parts = wiring()
    found = dataset_of(parts.engine, parts.settings.dataset_url, principal(), connector)
    streams = {row["dataset_table"]: row for row in found.streams}
    return {
        **_present_place(found.place),
        "schema": found.schema,
        "tables": [_present_table(table, streams) for table in found.view.tables],
        "streams": [_present_stream(row) for row in found.streams],
        "rejected_records": found.view.rejects,
    }


@routes.on(
    "POST",
    "/dataset-reader",
    "make_dataset_reader",
    Role.ADMIN,
    Answers(HTTPStatus.CREATED, DatasetReader, SOURCE_PROBLEMS),
)
def make_reader() -> tuple[dict[str, Any], int]:
    """Make the login that reads all datasets of the workspace; an older password ends."""
    parts = wiring()
    reader = new_reader(parts.engine, parts.settings.dataset_url, principal())
    shown = {"user": reader.role, "password": reader.password, "url": reader.url}
    return {**_present_place(reader.place), **shown}, 201


def _present_place(place: DatasetPlace) -> dict[str, Any]:
    return {
        "kind": "postgresql",
        "host": place.host,
        "port": place.port,
        "database": place.database,
    }


def _present_table(table: DatasetTable, streams: Mapping[str | None, Row]) -> dict[str, Any]:
    stream = streams.get(table.name)
    return {
        "name": table.name,
        "stream": None if stream is None else stream["stream"],
        "rows": table.rows,
        "rows_are_estimated": table.is_estimate,
        "size_bytes": table.size_bytes,
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
