"""What the error codes of OAuth 2.0 mean: RFC 6749 (4.1.2.1 and 5.2) and those that extend it."""

from collections.abc import Mapping

from shared.connectors.failure_kinds import Kind, permanent, told, transient
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError, SynclineError


class GrantEndedError(PermanentError):
    """The grant is of no use any more: only a person can bring another, by authorizing again."""


_WHO = "The authorization server"
_AGAIN = permanent(
    Reason.AUTHORIZATION,
    "no longer accepts the authorization: authorize the connector again",
    Fault.LOGIN,
)
_CONSENT = permanent(
    Reason.AUTHORIZATION,
    "did not grant what the connector asks for: authorize the connector again and allow it",
    Fault.PERMISSION,
)
_CLIENT = permanent(
    Reason.AUTHORIZATION,
    "does not accept this deployment as a client: check its client id and secret, then authorize"
    " the connector again",
    Fault.LOGIN,
)
_REQUEST = permanent(
    Reason.CONFIGURATION,
    "refused the request for a token: check the connector's OAuth settings, then authorize the"
    " connector again",
    Fault.SETTINGS,
)
_TROUBLE = transient(Reason.SOURCE_UNAVAILABLE, "is in trouble for the moment", Fault.UNAVAILABLE)
_THROTTLED = transient(Reason.RATE_LIMITED, "asks for fewer requests", Fault.RATE_LIMITED)

_BY_CODE: Mapping[str, Kind] = {
    **dict.fromkeys(("invalid_grant", "invalid_token", "expired_token", "login_required"), _AGAIN),
    **dict.fromkeys(("access_denied", "invalid_scope", "insufficient_scope"), _CONSENT),
    **dict.fromkeys(("consent_required", "interaction_required"), _CONSENT),
    **dict.fromkeys(("invalid_client", "unauthorized_client"), _CLIENT),
    **dict.fromkeys(("invalid_request", "invalid_target", "unsupported_grant_type"), _REQUEST),
    "unsupported_response_type": _REQUEST,
    **dict.fromkeys(("temporarily_unavailable", "server_error"), _TROUBLE),
    "slow_down": _THROTTLED,
}


def oauth_failure(error_code: str) -> SynclineError:
    """Return what the `error` of an authorization or token response means for the run.

    `GrantEndedError` for one that says so of the grant. A code that is not known ends the run, and
    is not quoted: it is the other side's text. A token endpoint that answers 429 or 5xx is
    `http_failure`'s, whatever its body says.
    """
    kind = _BY_CODE.get(error_code)
    if kind is None:
        return told(_WHO, _AGAIN, "an error code of its own")
    failure = told(_WHO, kind, error_code)
    if kind in (_AGAIN, _CONSENT):
        return GrantEndedError(str(failure), code=kind.code, fault=kind.fault)
    return failure
