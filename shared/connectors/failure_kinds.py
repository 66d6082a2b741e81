"""What a failure means: a kind says whether a repeat can help, why it failed, and a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError, SynclineError, TransientError


@dataclass(frozen=True, slots=True)
class Kind:
    """What an error means. `sentence` goes on after the name of who failed, without a full stop."""

    transient: bool
    code: str
    sentence: str
    fault: Fault


def transient(code: Reason, sentence: str, fault: Fault = Fault.OTHER) -> Kind:
    """Return a kind that is worth another attempt."""
    return Kind(transient=True, code=code.value, sentence=sentence, fault=fault)


def permanent(code: Reason, sentence: str, fault: Fault = Fault.OTHER) -> Kind:
    """Return a kind that waits for a person."""
    return Kind(transient=False, code=code.value, sentence=sentence, fault=fault)


CERTIFICATE = permanent(
    Reason.CONFIGURATION,
    "has a certificate that cannot be trusted: renew it there, or use one that a public authority"
    " signed for this host name",
    Fault.TLS,
)
TLS = permanent(
    Reason.CONFIGURATION,
    "does not agree on an encrypted connection: let it offer TLS 1.2 or newer",
    Fault.TLS,
)
NAME = transient(
    Reason.SOURCE_UNAVAILABLE,
    "has a host name that cannot be resolved: correct it if this stays so",
    Fault.NAME_NOT_RESOLVED,
)
REFUSED = transient(
    Reason.SOURCE_UNAVAILABLE,
    "cannot be reached: see whether it runs and its firewall lets us in",
    Fault.REFUSED,
)
TIMEOUT = transient(
    Reason.SOURCE_UNAVAILABLE, "did not answer in time: see whether it is well", Fault.TIMEOUT
)
UNAVAILABLE = transient(
    Reason.SOURCE_UNAVAILABLE,
    "failed or closed the connection: see whether it is well",
    Fault.UNAVAILABLE,
)


def told(who: str, kind: Kind, label: str, retry_after: timedelta | None = None) -> SynclineError:
    """Return the error to raise. `label` is a class, a status or a code: never anyone's text."""
    message = f"{who} {kind.sentence} ({label})."
    if kind.transient:
        return TransientError(message, code=kind.code, fault=kind.fault, retry_after=retry_after)
    return PermanentError(message, code=kind.code, fault=kind.fault)


_INNER = (
    "orig",  # SQLAlchemy
    "original_exception",  # PyMySQL
    "reason",  # urllib3
    "original_error",
    "exception",  # dlt
    "client_exception",
    "dbapi_exception",
    "inner_exc",
    "cause",
    "job_exception",
    "__cause__",
    "__context__",
)
"""Where libraries keep the error that theirs was made of."""


def links_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything it was made of, outermost first, each once."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting.extend(getattr(link, name, None) for name in _INNER)
