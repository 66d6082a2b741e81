"""What the status of an HTTP response means, and how long its headers ask to wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.connectors.failure_kinds import TIMEOUT, Kind, permanent, told, transient
from shared.domain.fault import Fault
from shared.domain.retry_after import parse_http_date, parse_retry_after
from shared.domain.run import Reason
from shared.errors import SynclineError

_CREDENTIALS = permanent(
    Reason.AUTHORIZATION,
    "refused the credentials: authorize the connector again, or check its key",
    Fault.LOGIN,
)
_FORBIDDEN = permanent(
    Reason.AUTHORIZATION,
    "does not permit this: check what the connector's account may read",
    Fault.PERMISSION,
)
_NOTHING = permanent(
    Reason.CONFIGURATION,
    "has nothing at this address: check the connector's settings",
    Fault.NOT_FOUND,
)
_REDIRECT = permanent(
    Reason.CONFIGURATION,
    "redirects to another address: check the connector's settings",
    Fault.SETTINGS,
)
_REQUEST = permanent(
    Reason.CONFIGURATION, "refused the request: check the connector's settings", Fault.SCHEMA
)
_UNSUPPORTED = permanent(
    Reason.CONFIGURATION,
    "does not support the request: check the connector's settings",
    Fault.SCHEMA,
)
_THROTTLED = transient(Reason.RATE_LIMITED, "asks for fewer requests", Fault.RATE_LIMITED)
_FAILED = transient(Reason.SOURCE_UNAVAILABLE, "failed or is too busy", Fault.UNAVAILABLE)
_UNUSABLE = transient(Reason.SOURCE_UNAVAILABLE, "gave an answer that cannot be used", Fault.SCHEMA)

_BY_STATUS: Mapping[int, Kind] = {
    401: _CREDENTIALS,
    403: _FORBIDDEN,
    404: _NOTHING,
    408: TIMEOUT,
    410: _NOTHING,
    421: _FAILED,  # asked the wrong one of the server's machines, says RFC 9110: try again
    423: _FAILED,
    425: _FAILED,
    429: _THROTTLED,
    501: _UNSUPPORTED,
    504: TIMEOUT,
    505: _UNSUPPORTED,
}
_BY_HUNDRED: Mapping[int, Kind] = {3: _REDIRECT, 4: _REQUEST, 5: _FAILED}
_THROTTLED_WITH_RETRY_AFTER = frozenset({403, 413, 503})
"""A limit if they say when it ends: RFC 9110 on 413 and 503, GitHub's secondary limits on 403."""


def http_failure(
    status: int, headers: Mapping[str, str], now: datetime, *, who: str = "The source"
) -> SynclineError:
    """Return what a response that is of no use means for the run; every status has an answer.

    `headers` are found whatever their case; `now` is aware; `who` answered. `retry_after` is set on
    a `TransientError` if the response asks for a wait longer than zero.
    """
    retry_after = _retry_after(headers, now)
    kind = _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, _UNUSABLE)
    if retry_after is not None and status in _THROTTLED_WITH_RETRY_AFTER:
        kind = _THROTTLED
    return told(who, kind, f"HTTP {status}", retry_after)


def _retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    value = _header(headers, "retry-after")
    if value is None:
        return None
    # A date is the server's, and so is the clock to read it by: ours may be wrong.
    sent_at = parse_http_date(_header(headers, "date") or "", now)
    return parse_retry_after(value, sent_at or now) or None


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted), None)
