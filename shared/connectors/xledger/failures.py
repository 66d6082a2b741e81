"""What the errors in a GraphQL answer mean: told by their codes, and else by what they look like.

Their messages are looked at for what they are about and never passed on: they quote queries, values
and tokens. Xledger has its code beside the message; other servers have it in the extensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.connectors.failure_kinds import Kind, permanent, transient
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

CREDITS = transient(Reason.RATE_LIMITED, "has no credits left for this token", Fault.RATE_LIMITED)
PACE = transient(Reason.RATE_LIMITED, "asks for fewer requests at a time", Fault.RATE_LIMITED)
TOKEN = permanent(
    Reason.AUTHORIZATION,
    "refused the token: give the connector one that is valid there",
    Fault.LOGIN,
)
PERMISSION = permanent(
    Reason.AUTHORIZATION,
    "does not permit this: check what the token's user may read",
    Fault.PERMISSION,
)
TIMEOUT = transient(
    Reason.SOURCE_UNAVAILABLE,
    "took too long for a page: if it stays so, choose a smaller page_size",
    Fault.TIMEOUT,
)
FAILED = transient(Reason.SOURCE_UNAVAILABLE, "failed or is too busy", Fault.UNAVAILABLE)
QUERY = permanent(Reason.CONFIGURATION, "refused the query", Fault.SCHEMA)

_BY_CODE: Mapping[str, Kind] = {
    "INSUFFICIENT_CREDITS": CREDITS,
    "BURST_RATE_LIMIT_REACHED": PACE,
    "CONCURRENCY_LIMIT_REACHED": PACE,
    "RATE_LIMITED": PACE,
    "THROTTLED": PACE,
    "TOO_MANY_REQUESTS": PACE,
    "UNAUTHENTICATED": TOKEN,
    "UNAUTHORIZED": TOKEN,
    "INVALID_TOKEN": TOKEN,
    "FORBIDDEN": PERMISSION,
    "ACCESS_DENIED": PERMISSION,
    "TIMEOUT": TIMEOUT,
    "QUERY_TIMEOUT": TIMEOUT,
    "INTERNAL_SERVER_ERROR": FAILED,
    "SERVICE_UNAVAILABLE": FAILED,
    "ARGUMENTS_OF_CORRECT_TYPE": QUERY,
    "FIELDS_ON_CORRECT_TYPE": QUERY,
    "KNOWN_ARGUMENT_NAMES": QUERY,
    "PROVIDED_NON_NULL_ARGUMENTS": QUERY,
    "SCALAR_LEAFS": QUERY,
    "INVALID_VALUE": QUERY,
    "BAD_USER_INPUT": QUERY,
    "GRAPHQL_PARSE_FAILED": QUERY,
    "GRAPHQL_VALIDATION_FAILED": QUERY,
}
_BY_WORDS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    # These quote names, which may be words of the others.
    (("cannot query field", "unknown argument", "unknown type", "expected value of type"), QUERY),
    (("syntax error", "have a selection", "introspection"), QUERY),
    (("insufficient credits", "not enough credits"), CREDITS),
    (("too many requests", "rate limit"), PACE),
    (("timed out", "timeout"), TIMEOUT),
    (("api token", "unauthenticated", "not authenticated", "invalid token"), TOKEN),
    (("not authorized", "unauthorized", "access denied", "forbidden", "permission"), PERMISSION),
)
_ORDER = (TOKEN, CREDITS, PACE, PERMISSION, QUERY, TIMEOUT, FAILED)
"""Of several errors the first of these counts: what has to be done first."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer's errors mean: the one that counts, its kind, and its code if it is known."""

    kind: Kind
    error: Mapping[str, Any]
    code: str | None


def told_by(errors: Sequence[Any]) -> Told:
    """Return what the errors of an answer mean; there is at least one."""
    found = [_read(error if isinstance(error, Mapping) else {}) for error in errors]
    return min(found, key=lambda one: _ORDER.index(one.kind))


def refused_query(subject: str, place: str | None) -> PermanentError:
    """Return the error of a query that cannot be, at the field or argument that is wrong."""
    where = "" if place is None else f" at {place}"
    return PermanentError(
        f"Xledger refused the query of {subject}{where}: correct the stream's fields, arguments or"
        " query.",
        code=Reason.CONFIGURATION,
        fault=Fault.SCHEMA,
    )


def _read(error: Mapping[str, Any]) -> Told:
    extensions = error.get("extensions")
    places = (error, extensions if isinstance(extensions, Mapping) else {})
    for code in (_last(place.get("code")) for place in places):
        if code in _BY_CODE:
            return Told(_BY_CODE[code], error, code)
    message = str(error.get("message", "")).lower()
    for words, kind in _BY_WORDS:
        if any(word in message for word in words):
            return Told(kind, error, None)
    # What is refused before it is executed has a location and no path.
    is_refused = bool(error.get("locations")) and not error.get("path")
    return Told(QUERY if is_refused else FAILED, error, None)


def _last(code: object) -> str:
    """Return the last part of a code such as BAD_REQUEST.INSUFFICIENT_CREDITS."""
    return str(code).upper().rpartition(".")[2] if isinstance(code, str) else ""
