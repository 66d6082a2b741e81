"""Ask an authorization server for tokens, as RFC 6749 says, and read what it answers."""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlencode

import requests
import simplejson
from requests.auth import AuthBase, HTTPBasicAuth

from shared.clock import utc_now
from shared.connectors.access_failures import access_failure
from shared.connectors.encryption import require_encryption
from shared.connectors.http_failures import http_failure
from shared.connectors.oauth_client import ClientLogin, OAuthClient, Tokens
from shared.connectors.oauth_failures import oauth_failure
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.doors import Limits
from shared.egress.guard import Guard
from shared.egress.http import GuardedSession
from shared.egress.lines import Lines
from shared.egress.origins import origin_of
from shared.errors import PermanentError, SynclineError

ANSWER = timedelta(seconds=20)
"""For an answer as a whole, once the connection is there."""
_LIMITS = Limits(
    silence=timedelta(seconds=10),
    answer=ANSWER,
    body_bytes=256 * 1024,
    pause=timedelta(0),  # whoever asks holds a lease meanwhile
)
_LONGEST_TOKEN = 32_768
_LONGEST_LIFE_SECONDS = 10 * 365 * 86_400.0
_WHO = "The authorization server"


def exchange_code(
    guard: Guard, client: OAuthClient, *, code: str, verifier: str, redirect_uri: str
) -> Tokens:
    """Return the tokens of an authorization code; raise `TransientError` or `PermanentError`.

    A code can be used once: nothing here asks twice.
    """
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    return _ask(guard, client, fields)


def refresh_tokens(
    guard: Guard, client: OAuthClient, refresh_token: str, within: timedelta | None = None
) -> Tokens:
    """Return new tokens for a refresh token, which may be of no use afterwards; raises the same.

    `GrantEndedError` tells that the server takes it no more. `within` is all the time there is.
    """
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _ask(guard, client, fields, within)


def form_of(
    fields: Mapping[str, str], client_id: str, secret: str | None, login: ClientLogin
) -> dict[str, Any]:
    """Return a request to a token endpoint as arguments of `requests`: with the client's login."""
    auth: AuthBase | None = None
    if secret is None:
        fields = {**fields, "client_id": client_id}
    elif login is ClientLogin.BASIC:
        # Encoded before they are joined, as RFC 6749 says (2.3.1).
        auth = HTTPBasicAuth(quote_plus(client_id), quote_plus(secret))
    else:
        fields = {**fields, "client_id": client_id, "client_secret": secret}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return {"data": urlencode(fields), "headers": headers, "auth": auth, "allow_redirects": False}


def read_tokens(response: requests.Response) -> Tokens:
    """Return the tokens of an answer; raise what it means if it has none."""
    body = _body_of(response)
    code = body.get("error")
    # Some servers refuse with status 200.
    is_about_us = response.status_code in (
        HTTPStatus.OK,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
    )
    if is_about_us and isinstance(code, str):
        raise oauth_failure(code)
    if response.status_code != HTTPStatus.OK:
        raise http_failure(response.status_code, response.headers, utc_now(), who=_WHO)
    token, kind = body.get("access_token"), body.get("token_type", "bearer")
    is_bearer = isinstance(kind, str) and kind.lower() == "bearer"
    if not is_bearer or not isinstance(token, str) or not _can_be_sent(token):
        raise PermanentError(
            "The token endpoint gave no bearer token: check its address.",
            code=Reason.AUTHORIZATION,
            fault=Fault.LOGIN,
        )
    refresh = body.get("refresh_token")
    is_usable = isinstance(refresh, str) and 0 < len(refresh) <= _LONGEST_TOKEN
    return Tokens(token, refresh if is_usable else None, _life(body.get("expires_in")))


def _ask(
    guard: Guard, client: OAuthClient, fields: Mapping[str, str], within: timedelta | None = None
) -> Tokens:
    # Lines of its own: a run that is cut off meanwhile must not lose the answer, in which the only
    # refresh token may be that is still of use.
    lines = Lines(within)
    url = client.token_url
    request = form_of(fields, client.client_id, client.client_secret, client.client_login)
    try:
        require_encryption(guard, url)
        session = GuardedSession(guard, lines, origin=origin_of(url), limits=_LIMITS)
        with lines.watched(), _cut_after(within, lines), session:
            session.headers["User-Agent"] = "Syncline"
            return read_tokens(session.post(url, **request))
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None


@contextmanager
def _cut_after(within: timedelta | None, lines: Lines) -> Generator[None]:
    if within is None:
        yield
        return
    timer = threading.Timer(within.total_seconds(), lines.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _body_of(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = simplejson.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _can_be_sent(token: str) -> bool:
    is_plain = token.isascii() and token.isprintable() and " " not in token
    return is_plain and 0 < len(token) <= _LONGEST_TOKEN


def _life(expires_in: object) -> timedelta | None:
    try:
        seconds = float(str(expires_in))
    except ValueError:
        return None
    return timedelta(seconds=seconds) if 0 < seconds <= _LONGEST_LIFE_SECONDS else None
