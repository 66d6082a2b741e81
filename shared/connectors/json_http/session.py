"""The way to a source: guarded, paced, patient with short trouble, and logged in."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import requests
from requests.exceptions import ChunkedEncodingError

from shared.clock import utc_now
from shared.connectors.base import SourceAccess
from shared.connectors.encryption import require_encryption
from shared.connectors.http_failures import http_failure
from shared.connectors.json_http.answers import body_of
from shared.connectors.json_http.auth_config import Auth
from shared.connectors.json_http.credentials import Credentials, credentials_of
from shared.egress.doors import Limits
from shared.egress.guard import Guard
from shared.egress.http import GuardedSession
from shared.egress.lines import Lines
from shared.egress.origins import origin_of
from shared.errors import SynclineError

LIMITS = Limits(body_bytes=64 * 1024 * 1024)
"""An answer is one page, which is in memory as a whole."""
REPEAT_PAUSES = (1.0, 2.0, 4.0)
"""Seconds before a request is repeated that met trouble which often passes at once. What lasts
longer is the run's own retry."""

_PASSES = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class PatientSession(GuardedSession):
    """A guarded session that repeats what met short trouble; for requests that change nothing."""

    def __init__(self, guard: Guard, lines: Lines, url: str, limits: Limits) -> None:
        require_encryption(guard, url, lines)
        super().__init__(guard, lines, origin=origin_of(url), limits=limits)
        self._lines = lines

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; raises as `GuardedSession.send`."""
        for pause in REPEAT_PAUSES:
            try:
                response = super().send(request, **kwargs)
            except (requests.ConnectionError, ChunkedEncodingError):
                self._lines.pause(pause)
                continue
            if response.status_code not in _PASSES or "retry-after" in response.headers:
                return response
            self._lines.pause(pause)
        return super().send(request, **kwargs)


class JsonSession(PatientSession):
    """A session of one source: every response is a success, with its JSON read exactly."""

    def __init__(
        self,
        access: SourceAccess,
        url: str,
        credentials: Credentials,
        *,
        headers: Mapping[str, str] | None = None,
        per_second: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        within = replace(limits or LIMITS, per_second=per_second)
        super().__init__(access.guard, access.lines, url, within)
        self.headers.update({"User-Agent": "Syncline", "Accept": "application/json"})
        self.headers.update(headers or {})
        self.auth = self._credentials = credentials

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; credentials that were refused are renewed once, if they can be.

        Raises what requests does, and `TransientError` or `PermanentError` for a status that is no
        success and a body that is no JSON.
        """
        response = super().send(request, **kwargs)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._credentials.forget():
            response = super().send(self._credentials(request.copy()), **kwargs)
        if not HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            raise self.failure_of(response)
        self.read(response)
        return response

    def failure_of(self, response: requests.Response) -> SynclineError:
        """Return what a response means that is no success."""
        return http_failure(response.status_code, response.headers, utc_now())

    def read(self, response: requests.Response) -> None:
        """Read the JSON of a response; raise `TransientError` if it has none."""
        body = body_of(response)
        # dlt asks the response for its JSON several times, and would round the numbers in it.
        cast("Any", response).json = partial(_same, body)


def login(access: SourceAccess, auth: Auth) -> Credentials:
    """Return the credentials of a source; tokens are fetched by sessions of their own."""
    open_session = partial(PatientSession, access.guard, access.lines, limits=LIMITS)
    return credentials_of(auth, open_session, access.access_token)


def _same(body: Any, **_: Any) -> Any:
    return body
