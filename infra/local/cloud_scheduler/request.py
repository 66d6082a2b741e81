"""What a delivery looks like on the wire."""

from datetime import UTC, datetime

from infra.local.cloud_scheduler.messages import TargetMessage
from infra.local.cloud_scheduler.registry import Delivery

_REPLACED = frozenset({"host", "content-length", "user-agent"})
_REPLACED_PREFIXES = ("x-google-", "x-appengine-", "x-cloudscheduler")


def headers_of(delivery: Delivery) -> dict[str, str]:
    """Return the headers of a delivery, all but Host, Content-Length and Authorization.

    What the owner of the job set is kept, except the headers that the service sets itself.
    """
    target = delivery.target
    headers = {
        name: value for name, value in target.headers.items() if not _is_replaced(name.lower())
    }
    if target.body and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/octet-stream"
    headers["User-Agent"] = "Google-Cloud-Scheduler"
    headers["X-CloudScheduler"] = "true"
    headers["X-CloudScheduler-JobName"] = delivery.job_name.rpartition("/")[2]
    headers["X-CloudScheduler-ScheduleTime"] = _rfc3339(delivery.attempt.scheduled_at)
    return headers


def audience_of(target: TargetMessage) -> str:
    """Return for whom the token of a target is meant: its URI, unless it says otherwise."""
    return target.oidc_token.audience or target.uri


def _is_replaced(name: str) -> bool:
    return name in _REPLACED or name.startswith(_REPLACED_PREFIXES)


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
