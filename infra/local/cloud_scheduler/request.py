"""What a delivery looks like on the wire."""

from datetime import UTC, datetime

from infra.local.cloud_scheduler.messages import method_name
from infra.local.cloud_scheduler.registry import Delivery
from infra.local.emulator.outgoing import OutgoingRequest, ReservedHeaders, with_token
from infra.local.identity import LocalSigner

_RESERVED = ReservedHeaders(
    names=frozenset({"host", "content-length", "user-agent"}),
    prefixes=("x-google-", "x-appengine-", "x-cloudscheduler"),
)


def outgoing_request(delivery: Delivery, signer: LocalSigner, now: datetime) -> OutgoingRequest:
    """Return the request of a delivery, with a token for it that is valid at `now`."""
    target = delivery.target
    headers = headers_of(delivery)
    if target.HasField("oidc_token"):
        headers = with_token(headers, target.oidc_token, target.uri, signer, now)
    return OutgoingRequest(
        method=method_name(target),
        url=target.uri,
        headers=headers,
        body=target.body,
        deadline=delivery.deadline,
    )


def headers_of(delivery: Delivery) -> dict[str, str]:
    """Return the headers of a delivery, all but Host, Content-Length and a token.

    What the owner of the job set is kept, except the headers that the service sets itself.
    """
    target = delivery.target
    headers = _RESERVED.without(target.headers)
    if target.body and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/octet-stream"
    headers["User-Agent"] = "Google-Cloud-Scheduler"
    headers["X-CloudScheduler"] = "true"
    headers["X-CloudScheduler-JobName"] = delivery.job_name.rpartition("/")[2]
    headers["X-CloudScheduler-ScheduleTime"] = _rfc3339(delivery.attempt.scheduled_at)
    return headers


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
