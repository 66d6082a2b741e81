"""Whom a URL leads to, and what no tenant may tell it: without a client of HTTP."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_PORTS = {"http": 80, "https": 443}
_FORBIDDEN_HEADERS = frozenset(
    {"connection", "content-length", "expect", "forwarded", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "via", "x-real-ip"}
)
_FORBIDDEN_PREFIXES = ("metadata", "proxy-", "x-forwarded-", "x-google-", "x-aws-ec2-")

Origin = tuple[str, str, int]
"""Scheme, host and port."""


def origin_of(url: str) -> Origin:
    """Return the origin of a URL.

    Raises `PermanentError` for one that is not HTTP's, names no host, or holds a login: a URL ends
    up in logs and in errors.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url("cannot be read") from None
    if parts.scheme not in _PORTS:
        raise _bad_url("has to start with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise _bad_url("holds a login: give it as the connector's credentials")
    if not parts.hostname:
        raise _bad_url("names no host")
    return parts.scheme, parts.hostname.lower().rstrip("."), port or _PORTS[parts.scheme]


def forbidden_headers(names: Iterable[str]) -> list[str]:
    """Return those of these names of headers that no tenant may set."""
    return [
        name
        for name in names
        if name.lower() in _FORBIDDEN_HEADERS or name.lower().startswith(_FORBIDDEN_PREFIXES)
    ]


def _bad_url(what: str) -> PermanentError:
    return PermanentError(
        f"The address {what}: check the connector's settings.",
        code=Reason.CONFIGURATION,
        fault=Fault.SETTINGS,
    )
