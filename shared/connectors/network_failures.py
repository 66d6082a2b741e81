"""What the errors of requests, urllib3, TLS and sockets mean."""

import errno
import http.client
import socket
import ssl
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

import requests
from urllib3 import exceptions as urllib3

from shared.connectors.failure_kinds import (
    CERTIFICATE,
    NAME,
    REFUSED,
    TIMEOUT,
    TLS,
    UNAVAILABLE,
    Kind,
    permanent,
    told,
    transient,
)
from shared.connectors.http_failures import http_failure
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import SynclineError

_ADDRESS = permanent(
    Reason.CONFIGURATION,
    "has an address that cannot be used: check the connector's settings",
    Fault.SETTINGS,
)
_HEADER = permanent(
    Reason.CONFIGURATION,
    "cannot be sent one of the headers: check the connector's key and headers",
    Fault.SETTINGS,
)
_REDIRECTS = permanent(
    Reason.CONFIGURATION,
    "redirects without an end: check the connector's settings",
    Fault.SETTINGS,
)
_NOT_JSON = transient(Reason.SOURCE_UNAVAILABLE, "gave an answer that is not JSON", Fault.SCHEMA)

# The first that fits decides, so that a class stands before those that it is derived from.
_SPECIFIC: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Kind], ...] = (
    (requests.exceptions.InvalidHeader, _HEADER),
    (
        (
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.URLRequired,
            urllib3.LocationValueError,
            http.client.InvalidURL,
        ),
        _ADDRESS,
    ),
    (requests.exceptions.TooManyRedirects, _REDIRECTS),
    (requests.exceptions.JSONDecodeError, _NOT_JSON),
    ((urllib3.NameResolutionError, socket.gaierror, socket.herror), NAME),
    ((urllib3.NewConnectionError, ConnectionRefusedError), REFUSED),
    ((requests.exceptions.Timeout, urllib3.TimeoutError, TimeoutError), TIMEOUT),
    (ssl.SSLCertVerificationError, CERTIFICATE),
    ((ConnectionError, http.client.HTTPException), UNAVAILABLE),
)
_GENERAL = (requests.exceptions.RequestException, urllib3.HTTPError, ssl.SSLError)

_NO_ROUTE = frozenset(
    {errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
)
_NO_COMMON_TLS = frozenset(
    {
        "HTTP_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
"""What OpenSSL says when both sides will never agree; anything else that broke may pass."""


def network_failure(links: Sequence[BaseException], now: datetime) -> SynclineError | None:
    """Return what the links of a chain say about an HTTP call or connection; None if nothing.

    A response decides by its status; then the outermost link that is precise.
    """
    for link in links:
        if isinstance(link, requests.RequestException) and link.response is not None:
            response = link.response
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                return http_failure(response.status_code, response.headers, now)
    for link in links:
        kind = _specific(link)
        if kind is not None:
            return told("The source", kind, type(link).__name__)
    general = next((link for link in links if isinstance(link, _GENERAL)), None)
    return None if general is None else told("The source", UNAVAILABLE, type(general).__name__)


def _specific(link: BaseException) -> Kind | None:
    for classes, kind in _SPECIFIC:
        if isinstance(link, classes):
            return kind
    if isinstance(link, ssl.SSLError) and getattr(link, "reason", None) in _NO_COMMON_TLS:
        return TLS
    if isinstance(link, OSError) and link.errno in _NO_ROUTE:
        return REFUSED
    return None
