"""The two queues of a deployment, as a laptop makes them; in the cloud, Terraform does."""

from datetime import timedelta

from google.api_core.exceptions import AlreadyExists
from google.cloud import tasks_v2
from google.protobuf.duration_pb2 import Duration

from shared.config import Settings

# A run's attempts are ours, not the queue's: these retries are for a worker that could not answer
# at all. The rate bounds a burst; the admission of runs bounds what a workspace may occupy.
_MAX_ATTEMPTS = 20
_MAX_DISPATCHES_PER_SECOND = 500.0
_MAX_CONCURRENT_DISPATCHES = 1_000
_MIN_BACKOFF = timedelta(seconds=5)
_MAX_BACKOFF = timedelta(minutes=5)
_MAX_DOUBLINGS = 5


def ensure_queues(client: tasks_v2.CloudTasksClient, settings: Settings) -> None:
    """Create the queues for scheduled and for interactive runs, or leave existing ones alone."""
    parent = f"projects/{settings.project}/locations/{settings.location}"
    for queue_id in (settings.scheduled_queue, settings.interactive_queue):
        queue = tasks_v2.Queue(
            name=f"{parent}/queues/{queue_id}",
            rate_limits=tasks_v2.RateLimits(
                max_dispatches_per_second=_MAX_DISPATCHES_PER_SECOND,
                max_concurrent_dispatches=_MAX_CONCURRENT_DISPATCHES,
            ),
            retry_config=tasks_v2.RetryConfig(
                max_attempts=_MAX_ATTEMPTS,
                min_backoff=_duration(_MIN_BACKOFF),
                max_backoff=_duration(_MAX_BACKOFF),
                max_doublings=_MAX_DOUBLINGS,
            ),
        )
        try:
            client.create_queue(parent=parent, queue=queue, timeout=10.0)
        except AlreadyExists:
            continue


def _duration(value: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
