"""Who called this function: Google-signed OIDC tokens, checked here as well as by IAM."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import requests
from google.auth import exceptions as auth_exceptions
from google.auth import jwt

from shared.clock import monotonic
from shared.config import Settings
from shared.errors import TransientError, UnauthenticatedError

_CLOCK_SKEW_SECONDS = 10
_CERTS_LIVE_SECONDS = 300.0
_CERTS_GRACE_SECONDS = 3_600.0
_FETCH_TIMEOUT_SECONDS = 10.0
_ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
_BEARER = "bearer "


class CallerVerifier:
    """Accepts calls of one service account to one audience, and nothing else."""

    def __init__(self, *, audience: str, service_account: str, certs_url: str) -> None:
        self._audience = audience
        self._service_account = service_account
        self._certs = _RememberedCerts(certs_url)

    def verify(self, authorization: str) -> str:
        """Return the service account of an Authorization header's token.

        Raises `UnauthenticatedError` saying what is wrong: for our log. It never holds the token,
        and the caller does not see it. Raises `TransientError` when the public keys cannot be
        had: without them nobody can be told from anybody.
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
        certs = self._certs.get()
        try:
            return jwt.decode(
                token,
                certs,
                audience=self._audience,
                clock_skew_in_seconds=_CLOCK_SKEW_SECONDS,
            )
        except (auth_exceptions.GoogleAuthError, ValueError, RecursionError) as error:
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


class _RememberedCerts:
    """The public keys, fetched when first wanted and remembered for a while.

    Keys rotate over days and are published ahead, so that a few minutes of memory are safe.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._remembered: tuple[Mapping[str, str], float] | None = None

    def get(self) -> Mapping[str, str]:
        """Return {key id: PEM certificate}; raise `TransientError` when they cannot be had.

        While they cannot be fetched anew, the remembered ones serve for another hour.
        """
        now = monotonic()
        if self._remembered is not None and now < self._remembered[1]:
            return self._remembered[0]
        try:
            self._remembered = (_fetch_certs(self._url), now + _CERTS_LIVE_SECONDS)
        except TransientError:
            if self._remembered is None or now >= self._remembered[1] + _CERTS_GRACE_SECONDS:
                raise
        return self._remembered[0]


def _fetch_certs(url: str) -> Mapping[str, str]:
    try:
        response = requests.get(url, timeout=_FETCH_TIMEOUT_SECONDS)
        response.raise_for_status()
        certs = response.json()
    except requests.RequestException as error:
        raise TransientError("The public keys of OIDC tokens cannot be fetched.") from error
    is_usable = isinstance(certs, dict) and certs
    if not is_usable or not all(isinstance(pem, str) for pem in certs.values()):
        raise TransientError("The public keys of OIDC tokens are not {key id: PEM certificate}.")
    return certs
