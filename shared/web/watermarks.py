"""/api/v2/connectors/{id}/watermarks: where the next sync of each stream starts."""

import json
import uuid
from collections.abc import Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.errors import NotFoundError
from shared.flow.watermarks import reset_stream, set_watermark
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.watermarks import list_watermarks
from shared.web.auth import principal, wiring
from shared.web.bodies import WatermarkBody
from shared.web.etags import require_version
from shared.web.operations import Answers, Takes
from shared.web.present import instant
from shared.web.routes import Routes
from shared.web.shapes.connectors import Watermarks

routes = Routes(
    "watermarks",
    "/api/v2/connectors/<uuid:connector>/watermarks",
    tag="Connectors",
    changes=ObjectKind.WATERMARK,
)

_ACTIVE = {HTTPStatus.CONFLICT: ("run_active",)}
_DIGEST_LENGTH = 16


def _version(shown: Mapping[str, Any]) -> str:
    """Return what If-Match compares: where all streams of the connector stand."""
    return sha256(json.dumps(shown["items"]).encode()).hexdigest()[:_DIGEST_LENGTH]


def _require_unchanged(rows: Sequence[Row]) -> None:
    require_version(_version(_present(rows)))


@routes.on(
    "GET",
    "",
    "list_watermarks",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Watermarks, version=_version),
)
def browse(connector: uuid.UUID) -> dict[str, Any]:
    """List the watermarks of a connector's streams."""
    with single_statements(wiring().engine) as connection:
        row = find_connector(connection, principal().workspace_id, connector)
        if row is None:
            raise NotFoundError("There is no such connector.")
        return _present(list_watermarks(connection, principal().workspace_id, row["id"]))


@routes.on(
    "PUT",
    "/<path:stream>",
    "set_watermark",
    Role.EDITOR,
    Answers(HTTPStatus.OK, Watermarks, _ACTIVE, version=_version),
    Takes(WatermarkBody, examples={"an instant": {"value": "2026-03-01T00:00:00Z"}}, premise=True),
)
def put(connector: uuid.UUID, stream: str, body: WatermarkBody) -> dict[str, Any]:
    """Let the next sync of a stream start at a value, itself included."""
    rows = set_watermark(
        wiring().engine,
        principal(),
        connector,
        stream,
        value=body.value,
        type_name=body.type,
        premise=_require_unchanged,
    )
    return _present(rows)


@routes.on(
    "DELETE",
    "/<path:stream>",
    "reset_watermark",
    Role.EDITOR,
    Answers(HTTPStatus.NO_CONTENT, problems=_ACTIVE),
    Takes(premise=True),
)
def reset(connector: uuid.UUID, stream: str) -> tuple[str, int]:
    """Let the next sync of a stream read all of it."""
    reset_stream(wiring().engine, principal(), connector, stream, premise=_require_unchanged)
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
