"""The way to whoever receives a report: each request is made once, and repeated by nobody here."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import requests

from shared.clock import utc_now
from shared.connectors.access_failures import access_failure
from shared.connectors.base import SourceAccess
from shared.connectors.bufdir.config import BufdirConfig, EndpointConfig
from shared.connectors.bufdir.verdict import Answer, Request, Verdict, verdict_of, verdict_of_break
from shared.connectors.json_http.answers import body_of, matches
from shared.connectors.json_http.credentials import Credentials
from shared.connectors.json_http.session import PatientSession, login
from shared.domain.reporting import Period
from shared.egress.doors import Limits
from shared.egress.http import GuardedSession
from shared.errors import SynclineError

_LIMITS = Limits(silence=timedelta(seconds=120), body_bytes=16 * 1024 * 1024)
"""Whoever receives fifty thousand rows may look at them before the answer."""
_PIECE_BYTES = 65_536
_LONGEST_RECEIPT = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """One report, ready to be sent."""

    period: Period
    correction: int
    key: str
    content: bytes
    content_type: str
    is_repeat: bool


class Endpoint:
    """Sends reports, logged in."""

    def __init__(
        self, config: EndpointConfig, session: requests.Session, credentials: Credentials
    ) -> None:
        self._config = config
        self._session = session
        self._credentials = credentials

    def log_in(self) -> None:
        """Fetch a token if one is needed, before anything is sent; raises `SynclineError`."""
        try:
            self._credentials(requests.Request("GET", self._session_url()).prepare())
        except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
            raise access_failure(error) from None

    def send(self, letter: Letter) -> Verdict:
        """Send a report and return what became of it, whatever that is."""
        request = Request(
            letter.period.label, letter.is_repeat, self._config.honours_idempotency_key
        )
        body = _Body(letter.content)
        try:
            answer = self._answer(self._send(letter, body))
        except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
            return verdict_of_break(request, access_failure(error), is_begun=body.is_begun)
        return verdict_of(request, answer, utc_now())

    def _send(self, letter: Letter, body: "_Body") -> requests.Response:
        url = self._config.url.replace("{period}", letter.period.label)
        headers = {
            "Content-Type": letter.content_type,
            self._config.idempotency_header: letter.key,
        }
        request = requests.Request(
            self._config.method.value,
            url.replace("{correction}", str(letter.correction)),
            headers=headers,
            data=body,
        )
        prepared = self._session.prepare_request(request)
        response = self._session.send(self._credentials(prepared.copy()))
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._credentials.forget():
            response.close()
            body.is_begun = False  # what was refused so has not arrived
            response = self._session.send(self._credentials(prepared.copy()))
        return response

    def _answer(self, response: requests.Response) -> Answer:
        path = self._config.receipt_path
        is_taken = HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES
        receipt = _receipt(response, path) if is_taken and path is not None else None
        response.close()
        return Answer(response.status_code, response.headers, receipt, path is not None)

    def _session_url(self) -> str:
        return self._config.url.replace("{", "").replace("}", "")


@contextmanager
def open_endpoint(access: SourceAccess, config: BufdirConfig) -> Generator[Endpoint]:
    """Yield the endpoint of a report, its connections closed afterwards."""
    try:
        session = _OneRequest(access.guard, access.lines, config.endpoint.url, _LIMITS)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None
    with session:
        session.headers.update({"User-Agent": "Syncline", "Accept": "application/json"})
        yield Endpoint(config.endpoint, session, login(access, config.auth))


class _OneRequest(PatientSession):
    """A session without that patience: whether a repeat counts twice is not for it to know."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs |= {"allow_redirects": False, "stream": True}
        return GuardedSession.send(self, request, **kwargs)


class _Body:
    """The content of a request, which knows whether any of it went out."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.is_begun = False

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), _PIECE_BYTES):
            self.is_begun = True
            yield self._content[start : start + _PIECE_BYTES]


def _receipt(response: requests.Response, path: str) -> str | None:
    """Return the receipt number of an answer, or None if there is none that can be read."""
    try:
        found = matches(path, body_of(response))
    except (SynclineError, requests.RequestException):
        return None
    first = found[0] if found else None
    if isinstance(first, bool) or not isinstance(first, str | int) or not str(first).strip():
        return None
    return str(first).strip().replace("\0", "")[:_LONGEST_RECEIPT]
