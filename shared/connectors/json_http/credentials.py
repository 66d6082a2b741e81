"""Credentials put on requests, and fetched where they expire."""

from collections.abc import Callable
from datetime import timedelta
from typing import assert_never

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from shared.clock import monotonic
from shared.connectors.json_http.auth_config import (
    ApiKeyAuth,
    Auth,
    AuthorizationCodeAuth,
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    KeyPlace,
    NoAuth,
)
from shared.connectors.oauth_client import AccessToken
from shared.connectors.token_endpoint import form_of, read_tokens
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

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
        config = self._config
        fields = {"grant_type": "client_credentials"}
        fields |= {} if config.scope is None else {"scope": config.scope}
        fields |= {} if config.audience is None else {"audience": config.audience}
        secret = config.client_secret.get_secret_value()
        form = form_of(fields, config.client_id, secret, config.client_login)
        tokens = read_tokens(self._session.post(config.token_url, **form))
        self._token = tokens.access_token
        self._until = _until(tokens.expires_in, asked_at)


class GrantCredentials(Credentials):
    """Sends the newest token of the connector's grant with every request."""

    def __init__(self, access_token: AccessToken) -> None:
        super().__init__(header="Authorization")
        self._access_token = access_token
        self._sent: str | None = None
        self._refused: str | None = None

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on a request; raises what `AccessToken` does."""
        self._sent, self._refused = self._access_token(self._refused), None
        r.headers["Authorization"] = f"Bearer {self._sent}"
        return r

    def forget(self) -> bool:
        """Ask for another token: this one may have been revoked before its time."""
        self._refused = self._sent
        return True


def credentials_of(
    auth: Auth,
    token_session: Callable[[str], requests.Session],
    access_token: AccessToken | None,
) -> Credentials:
    """Return what puts credentials on requests; `token_session` opens one for a token's URL.

    Raises `PermanentError` if a grant is needed and there is nothing to take its tokens from.
    """
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
        case AuthorizationCodeAuth():
            if access_token is None:
                raise PermanentError(
                    "The connector is not authorized yet: authorize it.",
                    code=Reason.AUTHORIZATION,
                    fault=Fault.LOGIN,
                )
            return GrantCredentials(access_token)
        case _:
            assert_never(auth)


def _until(life: timedelta | None, asked_at: float) -> float | None:
    """Return when to replace a token; None if only the API will tell."""
    if life is None:
        return None
    seconds = life.total_seconds()
    return asked_at + max(seconds - _MARGIN_SECONDS, seconds / 2)
