"""The errors that callers tell apart.

The one distinction that decides what happens to a run is transient against permanent;
`code` is the reason that ends up in the run's row, in the API and in the logs.
"""

from dataclasses import dataclass
from datetime import timedelta


class SynclineError(Exception):
    """Base of every error that Syncline raises on purpose."""

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class TransientError(SynclineError):
    """Worth another attempt: the source, the network or we ourselves were in trouble.

    `retry_after` is the wait that the provider asked for: longer than zero, at most a day; None if
    it asked for none. `fault` is one of `shared.domain.fault.Fault`, if the source was in the way.
    What `is_of_connector` keeps every stream of it from being read.
    """

    code = "source_unavailable"
    is_of_connector = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fault: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.fault = fault
        self.retry_after = retry_after


ISSUER_UNAVAILABLE = "issuer_unavailable"
"""Code of a `TransientError`: who calls cannot be told, since an issuer's keys cannot be had."""


class PermanentError(SynclineError):
    """Not worth another attempt until a person changes something; the rest as in the other."""

    code = "configuration"
    is_of_connector = False

    def __init__(self, message: str, *, code: str | None = None, fault: str | None = None) -> None:
        super().__init__(message, code=code)
        self.fault = fault


class LeaseLostError(SynclineError):
    """Another worker holds the run now: stop, and write nothing."""

    code = "lease_lost"


class UnauthenticatedError(SynclineError):
    """The caller did not prove who it is."""

    code = "unauthenticated"


class CredentialsError(UnauthenticatedError):
    """What the caller showed to prove it is none: unknown, expired, revoked or made up."""


class ForbiddenError(SynclineError):
    """The caller is known and may not do this."""

    code = "forbidden"


class NotFoundError(SynclineError):
    """There is no such thing in the caller's workspace."""

    code = "not_found"


class ConflictError(SynclineError):
    """The request is well formed and contradicts what is stored."""

    code = "conflict"


class PremiseError(SynclineError):
    """What the caller wants to change is not any more as the caller saw it."""

    code = "precondition_failed"


class BusyError(SynclineError):
    """As much of it is under way, or was done lately, as may be.

    `retry_after` is longer than zero: ask again then.
    """

    code = "busy"

    def __init__(self, message: str, *, code: str | None = None, retry_after: timedelta) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: a stable code, a reason, and what to do."""

    field: str
    code: str
    reason: str
    hint: str = ""


class InvalidInputError(SynclineError):
    """The input breaks rules; `problems` names each field, rule, reason and hint."""

    code = "invalid_input"

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{p.field}: {p.reason}" for p in problems))
        self.problems = problems


class RecurrenceError(InvalidInputError):
    """A recurrence that cannot be: `field`, `code`, `reason` and `hint` say why."""

    code = "invalid_recurrence"

    def __init__(self, field: str, code: str, reason: str, hint: str = "") -> None:
        super().__init__(Problem(field, code, reason, hint))
        self.field = field
        self.code = code
        self.reason = reason
        self.hint = hint


class ConfigurationError(SynclineError):
    """The deployment is set up wrongly: an environment variable is missing or unusable."""

    code = "deployment"
