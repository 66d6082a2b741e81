"""What BigQuery's errors mean for a run, in sentences that quote nothing of it.

What the deployment lacks (a right, a project, billing) is permanent and none of the tenant's
affairs; whoever runs it reads the reason in the sentence.
"""

from collections.abc import Iterable, Mapping
from typing import cast

import requests.exceptions
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.resumable_media.common import DataCorruption, InvalidResponse

from shared.connectors.failure_kinds import links_of
from shared.domain.run import Reason
from shared.errors import PermanentError, SynclineError, TransientError

TURN_LOST = "syncline_turn_lost"
"""What our own scripts say when another worker has the turn."""

_CONFLICT = "concurrent update"
"""Within what BigQuery says of a transaction that another one got in the way of. It has no reason
of its own for that."""

_PASSES: Mapping[str, str] = {
    "backendError": "failed",
    "internalError": "failed",
    "jobBackendError": "failed",
    "jobInternalError": "failed",
    "badGateway": "failed",
    "tableUnavailable": "failed",
    "timeout": "did not answer in time",
    "stopped": "had the job stopped",
    "rateLimitExceeded": "has too many requests of this deployment",
    "jobRateLimitExceeded": "has too many requests of this deployment",
    "quotaExceeded": "has no quota left for this deployment",
    "resourcesExceeded": "has too few resources for the job",
}
"""By reason: what passes by itself."""

_STAYS: Mapping[str, str] = {
    "accessDenied": (
        "refuses this deployment: whoever runs it has to give its service account"
        " roles/bigquery.user and roles/bigquery.dataEditor in the project"
    ),
    "billingNotEnabled": (
        "has no billing for the project: whoever runs this deployment has to enable it"
    ),
    "billingTierLimitExceeded": (
        "has a limit on what a query may cost: whoever runs this deployment has to raise it"
    ),
    "bytesBilledLimitExceeded": (
        "would bill a query for more than SYNCLINE_DATASET_URL allows: whoever runs this deployment"
        " has to raise its maximum_bytes_billed"
    ),
    "accessNotConfigured": (
        "is not enabled in the project: whoever runs this deployment has to enable its API"
    ),
    "SERVICE_DISABLED": (
        "is not enabled in the project: whoever runs this deployment has to enable its API"
    ),
    "notFound": (
        "has no such project, or datasets in another location: whoever runs this deployment has to"
        " correct SYNCLINE_DATASET_URL"
    ),
    "blocked": (
        "has blocked this deployment for a while: whoever runs it has to look for why in the"
        " project"
    ),
}
"""By reason: what somebody has to put right in the project."""


class JobFailedError(Exception):
    """A job came to its end with an error: its reason, and what kind it is."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_conflict = _CONFLICT in message
        self.is_turn_lost = TURN_LOST in message


def bigquery_failure(error: BaseException) -> SynclineError:
    """Return what an error of BigQuery or on the way to it means; one of ours comes as it is."""
    links = tuple(links_of(error))
    ours = next((link for link in links if isinstance(link, SynclineError)), None)
    return ours or _of_login(links) or _of_reason(_reason_of(links), type(error).__name__)


def _of_login(links: Iterable[BaseException]) -> SynclineError | None:
    for link in links:
        if isinstance(link, DefaultCredentialsError):
            return PermanentError(
                "This deployment has no credentials for BigQuery: whoever runs it has to give it a"
                " service account, or application default credentials.",
                code=Reason.DATASET_UNAVAILABLE,
            )
        if isinstance(link, GoogleAuthError) and not isinstance(link, TransportError):
            return TransientError(
                f"BigQuery's login failed ({type(link).__name__}).", code=Reason.DATASET_UNAVAILABLE
            )
    return None


def _of_reason(reason: str | None, label: str) -> SynclineError:
    if reason is not None and reason in _STAYS:
        return PermanentError(
            f"BigQuery {_STAYS[reason]} ({reason}).", code=Reason.DATASET_UNAVAILABLE
        )
    if reason is not None and reason in _PASSES:
        return TransientError(
            f"BigQuery {_PASSES[reason]} ({reason}).", code=Reason.DATASET_UNAVAILABLE
        )
    if reason is None:
        return TransientError(f"The load did not complete ({label}).", code=Reason.INTERNAL)
    # Of a statement or a file that BigQuery does not understand a repeat changes nothing, but what
    # a person made of the dataset in between may.
    return TransientError(
        f"BigQuery could not do what the load asked of it ({reason}).", code=Reason.INTERNAL
    )


def _reason_of(links: Iterable[BaseException]) -> str | None:
    for link in links:
        match link:
            case JobFailedError():
                return link.reason
            case GoogleAPICallError():
                return _reason_of_call(link)
            case RetryError() | requests.exceptions.Timeout():
                return "timeout"
            case TransportError() | requests.exceptions.ConnectionError() | ConnectionError():
                return "badGateway"
            case InvalidResponse() | DataCorruption():
                return "backendError"
            case _:
                pass
    return None


_REASONS_OF_STATUS: Mapping[int, str] = {
    401: "accessDenied",
    403: "accessDenied",
    404: "notFound",
    429: "rateLimitExceeded",
}
_SERVER_ERROR = 500


def _reason_of_call(error: GoogleAPICallError) -> str:
    told = cast("list[Mapping[str, str]]", error.errors or [])
    reason = next((one["reason"] for one in told if "reason" in one), None)
    if reason is not None:
        return reason
    code = int(error.code or _SERVER_ERROR)
    return _REASONS_OF_STATUS.get(code, "backendError" if code >= _SERVER_ERROR else "invalid")
