"""Messages, rules and instants that the tests start from."""

from datetime import UTC, datetime, timedelta

from infra.local.cloud_scheduler.job import Rule
from infra.local.cloud_scheduler.messages import Job, JobMessage
from infra.local.cloud_scheduler.retries import RetryPolicy
from infra.local.emulator.backoff import Backoff
from shared.domain.recurrence import Recurrence

PARENT = "projects/demo/locations/europe-north1"
NAME = f"{PARENT}/jobs/tick"
START = datetime(2026, 11, 21, 8, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def policy(retry_count: int = 0, max_retry_duration: timedelta = timedelta(0)) -> RetryPolicy:
    return RetryPolicy(
        retry_count=retry_count,
        max_retry_duration=max_retry_duration,
        backoff=Backoff(10 * SECOND, 300 * SECOND, max_doublings=3),
    )


def rule(retry: RetryPolicy | None = None, cron: str = "* * * * *") -> Rule:
    return Rule(Recurrence.from_cron(cron, "UTC"), retry or policy())


def message(**fields: object) -> JobMessage:
    """Return a minutely job for an HTTP target, with other fields as given."""
    complete: dict[str, object] = {
        "name": NAME,
        "schedule": "* * * * *",
        "time_zone": "UTC",
        "http_target": {"uri": "http://127.0.0.1:9/tick"},
    }
    return Job(**{**complete, **fields})
