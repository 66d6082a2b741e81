"""What it means when a store refuses: the codes of S3, Google and Azure beside the HTTP status."""

import re
from collections.abc import Mapping
from datetime import datetime

import requests

from shared.connectors.failure_kinds import Kind, permanent, told, transient
from shared.connectors.http_failures import http_failure
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import SynclineError

_LOGIN = permanent(
    Reason.AUTHORIZATION,
    "does not know the credentials: check them, and whether they have ended",
    Fault.LOGIN,
)
_PERMISSION = permanent(
    Reason.AUTHORIZATION,
    "does not permit this: let the credentials list the bucket or container and read its files",
    Fault.PERMISSION,
)
_NO_BUCKET = permanent(
    Reason.CONFIGURATION,
    "has no such bucket or container: check the connector's url",
    Fault.NOT_FOUND,
)
_REGION = permanent(
    Reason.CONFIGURATION,
    "has the bucket in another region: set the connector's region",
    Fault.SETTINGS,
)
_CLOCK = transient(Reason.INTERNAL, "finds our clock wrong", Fault.OTHER)
_ARCHIVED = permanent(
    Reason.CONFIGURATION,
    "has a file in an archive: restore it, or name it in exclude",
    Fault.PERMISSION,
)
_ENCRYPTED = permanent(
    Reason.CONFIGURATION,
    "needs a key of its owner to read a file: name it in exclude",
    Fault.PERMISSION,
)
_BUSY = transient(Reason.RATE_LIMITED, "asks for fewer requests", Fault.RATE_LIMITED)

_NO_TOKEN = transient(
    Reason.SOURCE_UNAVAILABLE, "gives out no token for the moment", Fault.UNAVAILABLE
)

_BY_CODE: Mapping[str, Kind] = {
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"), _LOGIN
    ),
    **dict.fromkeys(
        ("AuthenticationFailed", "InvalidAuthenticationInfo", "TokenRefreshRequired"), _LOGIN
    ),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem"), _PERMISSION),
    **dict.fromkeys(
        (
            "AuthorizationFailure",
            "AuthorizationPermissionMismatch",
            "AuthorizationSourceIPMismatch",
        ),
        _PERMISSION,
    ),
    **dict.fromkeys(
        (
            "AuthorizationResourceTypeMismatch",
            "NoAuthenticationInformation",
            "PublicAccessNotPermitted",
        ),
        _PERMISSION,
    ),
    **dict.fromkeys(("NoSuchBucket", "InvalidBucketName", "ContainerNotFound"), _NO_BUCKET),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed"), _REGION),
    "IllegalLocationConstraintException": _REGION,
    "RequestTimeTooSkewed": _CLOCK,
    **dict.fromkeys(("InvalidObjectState", "BlobArchived"), _ARCHIVED),
    "ResourceIsEncryptedWithCustomerEncryptionKey": _ENCRYPTED,
    **dict.fromkeys(("SlowDown", "ServerBusy", "OperationTimedOut"), _BUSY),
}
"""By the code of a store: only these are shown, since others may be anyone's text."""

_BY_STATUS: Mapping[int, Kind] = {401: _LOGIN, 403: _PERMISSION, 404: _NO_BUCKET}
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")
_LOOKED_AT = 8_192


def refusal(response: requests.Response, now: datetime) -> SynclineError:
    """Return what an answer that is of no use means; its body says more than its status."""
    status = response.status_code
    code = response.headers.get("x-ms-error-code") or _code_in(response)
    kind = _BY_CODE.get(code)
    if kind is not None:
        after = http_failure(status, response.headers, now)
        return told("The store", kind, f"HTTP {status} {code}", getattr(after, "retry_after", None))
    if status in _BY_STATUS:
        return told("The store", _BY_STATUS[status], f"HTTP {status}")
    return http_failure(status, response.headers, now)


def token_refusal(label: str, *, may_pass: bool) -> SynclineError:
    """Return the error of credentials that are given no token."""
    return told("The store", _NO_TOKEN if may_pass else _LOGIN, label)


def _code_in(response: requests.Response) -> str:
    """Return the code in the XML of an answer, as S3 has it; empty if there is none."""
    found = _CODE.search(next(response.iter_content(_LOOKED_AT), b""))
    return "" if found is None else found[1].decode()
