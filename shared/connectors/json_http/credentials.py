"""Credentials put on requests, and fetched where they expire."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, assert_never
from urllib.parse import quote_plus, urlencode

import requests
import simplejson
from requests.auth import AuthBase, HTTPBasicAuth

from shared.clock import monotonic, utc_now
from shared.connectors.http_failures import http_failure
from shared.connectors.json_http.auth_config import (
    ApiKeyAuth,
    Auth,
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    ClientLogin,
    KeyPlace,
    NoAuth,
)
from shared.connectors.oauth_failures import oauth_failure
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError, SynclineError

_MARGIN_SECONDS = 30.0
"""So long before its end a token is replaced: a request takes a while to arrive."""


class Credentials(AuthBase):
    """Puts one header or parameter on a request; none if there is no name."""

    def __init__(self, header: str = "", parameter: str = "", value: str = "") -> None:
        self._header = header
        self._parameter = parameter
        self._value = value

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the credentials on a request."""
        if self._header:
            r.headers[self._header] = self._value
        elif self._parameter:
            r.prepare_url(r.url or "", {self._parameter: self._value})
        return r

    def forget(self) -> bool:
        """Drop what the API refused; return whether there may be something better."""
        return False


class ClientCredentials(Credentials):
    """Fetches a token by client credentials, and another before it expires."""

    def __init__(self, config: ClientCredentialsAuth, session: requests.Session) -> None:
        super().__init__(header="Authorization")
        self._config = config
        self._session = session
        self._token: str | None = None
        self._until: float | None = None

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on a request; raises what requests does, and `SynclineError`."""
        if self._token is None or (self._until is not None and monotonic() >= self._until):
            self._fetch()
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r

    def forget(self) -> bool:
        """Drop the token: it may have been revoked before its time."""
        self._token = None
        return True

    def _fetch(self) -> None:
        asked_at = monotonic()
        answer = _token_answer(self._session.post(self._config.token_url, **self._request()))
        token, kind = answer.get("access_token"), answer.get("token_type", "bearer")
        is_bearer = isinstance(kind, str) and kind.lower() == "bearer"
        if not is_bearer or not isinstance(token, str) or not _can_be_sent(token):
            raise PermanentError(
                "The token endpoint gave no bearer token: check its address.",
                code=Reason.AUTHORIZATION,
                fault=Fault.LOGIN,
            )
        self._token = token
        self._until = _until(answer.get("expires_in"), asked_at)

    def _request(self) -> dict[str, Any]:
        config = self._config
        fields = {"grant_type": "client_credentials"}
        fields |= {} if config.scope is None else {"scope": config.scope}
        fields |= {} if config.audience is None else {"audience": config.audience}
        secret = config.client_secret.get_secret_value()
        auth: AuthBase | None = None
        if config.client_login is ClientLogin.BASIC:
            # Encoded before they are joined, as RFC 6749 says (2.3.1).
            auth = HTTPBasicAuth(quote_plus(config.client_id), quote_plus(secret))
        else:
            fields |= {"client_id": config.client_id, "client_secret": secret}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return {
            "data": urlencode(fields),
            "headers": headers,
            "auth": auth,
            "allow_redirects": False,
        }


def credentials_of(auth: Auth, token_session: Callable[[str], requests.Session]) -> Credentials:
    """Return what puts credentials on requests; `token_session` opens one for a token's URL."""
    match auth:
        case NoAuth():
            return Credentials()
        case BasicAuth():
            # In UTF-8, as RFC 7617 has it; requests would take Latin-1.
            login = HTTPBasicAuth(auth.username.encode(), auth.password.get_secret_value().encode())
            signed = login(requests.Request("GET", "https://-/").prepare())
            return Credentials("Authorization", value=str(signed.headers["Authorization"]))
        case BearerAuth():
            return Credentials("Authorization", value=f"Bearer {auth.token.get_secret_value()}")
        case ApiKeyAuth():
            is_header = auth.place is KeyPlace.HEADER
            place = {"header" if is_header else "parameter": auth.name}
            return Credentials(**place, value=auth.key.get_secret_value())
        case ClientCredentialsAuth():
            return ClientCredentials(auth, token_session(auth.token_url))
        case _:
            assert_never(auth)


def _token_answer(response: requests.Response) -> Mapping[str, Any]:
    try:
        answer = simplejson.loads(response.content)
    except (ValueError, RecursionError):
        answer = {}
    answer = answer if isinstance(answer, dict) else {}
    if response.status_code == HTTPStatus.OK:
        return answer
    raise _refusal(response, answer.get("error"))


def _refusal(response: requests.Response, code: object) -> SynclineError:
    is_about_us = response.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
    if is_about_us and isinstance(code, str):
        return oauth_failure(code)
    return http_failure(response.status_code, response.headers, utc_now())


def _can_be_sent(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _until(expires_in: object, asked_at: float) -> float | None:
    """Return when to replace a token; None if only the API will tell."""
    try:
        seconds = float(str(expires_in))
    except ValueError:
        return None
    return asked_at + max(seconds - _MARGIN_SECONDS, seconds / 2, 0.0)
