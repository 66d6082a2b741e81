"""A caller of Syncline's own API, as a customer's program would be."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from infra.local.ports import HOST
from shared.errors import SynclineError

_TIMEOUT_SECONDS = 30
_MAX_ANSWER_CHARS = 500
_FIRST_ERROR = 400


class RefusedError(SynclineError):
    """The API answered with an error; `status` is its HTTP status."""

    code = "refused"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """JSON in, JSON out, with one workspace's key."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def get(self, path: str) -> dict[str, Any]:
        """Read `path`, such as `/connectors`; raise `RefusedError` for an error."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Send `body` to `path`; raise `RefusedError` for an error."""
        return self._call("POST", path, json.dumps(body or {}))

    def _call(self, method: str, path: str, body: str | None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, f"/api/v2{path}", body, self._headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= _FIRST_ERROR:
            raise RefusedError(
                f"{method} {path} was answered {answer.status}: {text[:_MAX_ANSWER_CHARS]}",
                answer.status,
            )
        return json.loads(text)
