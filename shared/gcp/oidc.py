"""Who called this function: Google-signed OIDC tokens, checked here as well as by IAM."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import requests
from google.auth import exceptions as auth_exceptions
from google.auth.transport import Request, Response
from google.auth.transport.requests import Request as HttpRequest
from google.oauth2 import id_token

from shared.clock import monotonic
from shared.config import Settings
from shared.errors import UnauthenticatedError

_CLOCK_SKEW_SECONDS = 10
_CERTS_LIVE_SECONDS = 300.0
_ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
_BEARER = "bearer "


class CallerVerifier:
    """Accepts calls of one service account to one audience, and nothing else."""

    def __init__(self, *, audience: str, service_account: str, certs_url: str) -> None:
        self._audience = audience
        self._service_account = service_account
        self._certs_url = certs_url
        self._certs = _RememberedCerts()

    def verify(self, authorization: str) -> str:
        """Return the service account of an Authorization header's token.

        Raises `UnauthenticatedError` saying what is wrong: for our log. It never holds the token,
        and the caller does not see it.
        """
        if not authorization.lower().startswith(_BEARER):
            raise UnauthenticatedError("no bearer token")
        claims = self._claims(authorization[len(_BEARER) :].strip())
        if claims.get("iss") not in _ISSUERS:
            raise UnauthenticatedError("the token has another issuer")
        if claims.get("email_verified") is not True:
            raise UnauthenticatedError("the token's e-mail is not verified")
        if claims.get("email") != self._service_account:
            raise UnauthenticatedError("the token belongs to another service account")
        return self._service_account

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            return id_token.verify_token(
                token,
                self._certs,
                audience=self._audience,
                certs_url=self._certs_url,
                clock_skew_in_seconds=_CLOCK_SKEW_SECONDS,
            )
        except auth_exceptions.TransportError:
            # Not the caller's fault: without the keys nobody can be told from anybody.
            raise
        except (auth_exceptions.GoogleAuthError, ValueError) as error:
            raise UnauthenticatedError(f"the token is not valid: {type(error).__name__}") from error


@cache
def callers_of_dispatcher(settings: Settings) -> CallerVerifier:
    """Return the check of who calls the dispatcher: Cloud Scheduler's service account."""
    return CallerVerifier(
        audience=settings.dispatcher_url,
        service_account=settings.scheduler_service_account,
        certs_url=settings.oidc_certs_url,
    )


@cache
def callers_of_worker(settings: Settings) -> CallerVerifier:
    """Return the check of who calls the worker: the service account of the tasks."""
    return CallerVerifier(
        audience=settings.worker_url,
        service_account=settings.tasks_service_account,
        certs_url=settings.oidc_certs_url,
    )


class _RememberedCerts(Request):
    """Fetches the public keys and remembers them, where the library would fetch at every call.

    Keys rotate over days and are published ahead, so that a few minutes of memory are safe.
    """

    def __init__(self) -> None:
        self._http = HttpRequest(requests.Session())
        self._remembered: Response | None = None
        self._until = 0.0

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: int | None = None,
        **options: Any,
    ) -> Response:
        now = monotonic()
        if self._remembered is None or now >= self._until:
            response = self._http(url, method, body, headers, timeout or 10, **options)
            if response.status != requests.codes.ok:
                return response
            self._remembered, self._until = response, now + _CERTS_LIVE_SECONDS
        return self._remembered
