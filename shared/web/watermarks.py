"""/api/v2/connectors/{id}/watermarks: where the next sync of each stream starts."""

import uuid
from collections.abc import Sequence
from typing import Any

from flask import Blueprint

from shared.domain.access import Role
from shared.errors import NotFoundError
from shared.flow.watermarks import reset_stream, set_watermark
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.watermarks import list_watermarks
from shared.web.auth import principal, requires, wiring
from shared.web.bodies import WatermarkBody, read_body
from shared.web.present import instant

blueprint = Blueprint(
    "watermarks", __name__, url_prefix="/api/v2/connectors/<uuid:connector>/watermarks"
)


@blueprint.get("")
@requires(Role.VIEWER)
def browse(connector: uuid.UUID) -> dict[str, Any]:
    """List the watermarks of a connector's streams."""
    with single_statements(wiring().engine) as connection:
        row = find_connector(connection, principal().workspace_id, connector)
        if row is None:
            raise NotFoundError("There is no such connector.")
        return _present(list_watermarks(connection, principal().workspace_id, row["id"]))


@blueprint.put("/<path:stream>")
@requires(Role.EDITOR)
def put(connector: uuid.UUID, stream: str) -> dict[str, Any]:
    """Let the next sync of a stream start at a value, itself included."""
    body = read_body(WatermarkBody)
    rows = set_watermark(
        wiring().engine,
        principal(),
        connector,
        stream,
        value=body.value,
        type_name=body.type,
    )
    return _present(rows)


@blueprint.delete("/<path:stream>")
@requires(Role.EDITOR)
def reset(connector: uuid.UUID, stream: str) -> tuple[str, int]:
    """Let the next sync of a stream read all of it."""
    reset_stream(wiring().engine, principal(), connector, stream)
    return "", 204


def _present(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "items": [
            {
                "stream": row["stream"],
                "cursor": row["cursor"],
                "type": row["value"]["type"],
                "value": row["value"]["value"],
                "updated_at": instant(row["updated_at"]),
                "run_id": None if row["run"] is None else str(row["run"]),
            }
            for row in rows
        ]
    }
