"""The Cloud Scheduler job that calls the dispatcher every minute."""

import grpc
from google.api_core.exceptions import AlreadyExists, NotFound, ServiceUnavailable
from google.api_core.retry import Retry, if_exception_type
from google.cloud import scheduler_v1
from google.cloud.scheduler_v1.services.cloud_scheduler.transports import (
    CloudSchedulerGrpcTransport,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

_SCHEDULE = "* * * * *"
_TIME_ZONE = "Etc/UTC"
_ATTEMPT_DEADLINE_SECONDS = 55
"""Below a minute: a tick that hangs must not make the next one be skipped."""
_CALL_TIMEOUT_SECONDS = 20.0
_FIELDS = (
    "description",
    "http_target",
    "schedule",
    "time_zone",
    "attempt_deadline",
    "retry_config",
)
# Every call here can be repeated safely: a job that a lost answer created is found again.
_RETRY = Retry(if_exception_type(ServiceUnavailable), initial=0.1, maximum=2.0, timeout=20.0)


def scheduler_client(emulator: str | None) -> scheduler_v1.CloudSchedulerClient:
    """Return a client of the emulator at `host:port`, or of Google Cloud if there is none."""
    if emulator is None:
        return scheduler_v1.CloudSchedulerClient()
    channel = grpc.insecure_channel(emulator)
    return scheduler_v1.CloudSchedulerClient(transport=CloudSchedulerGrpcTransport(channel=channel))


def ensure_tick_job(
    client: scheduler_v1.CloudSchedulerClient,
    *,
    project: str,
    location: str,
    dispatcher_url: str,
    service_account: str,
    job_id: str = "syncline-tick",
) -> None:
    """Create the tick job, or bring the one that is there in line; a repeat changes nothing.

    A job that a person paused stays paused. Raises the client's errors when Cloud Scheduler
    refuses or cannot be reached.
    """
    job = _tick_job(client.job_path(project, location, job_id), dispatcher_url, service_account)
    try:
        _update(client, job)
    except NotFound:
        _create(client, job, client.common_location_path(project, location))


def _create(client: scheduler_v1.CloudSchedulerClient, job: scheduler_v1.Job, parent: str) -> None:
    try:
        client.create_job(parent=parent, job=job, retry=_RETRY, timeout=_CALL_TIMEOUT_SECONDS)
    except AlreadyExists:
        # Another deployment was quicker, perhaps with other settings: ours are the last word.
        _update(client, job)


def _update(client: scheduler_v1.CloudSchedulerClient, job: scheduler_v1.Job) -> None:
    mask = FieldMask(paths=_FIELDS)
    client.update_job(job=job, update_mask=mask, retry=_RETRY, timeout=_CALL_TIMEOUT_SECONDS)


def _tick_job(name: str, dispatcher_url: str, service_account: str) -> scheduler_v1.Job:
    return scheduler_v1.Job(
        name=name,
        description="Calls the dispatcher of Syncline every minute.",
        schedule=_SCHEDULE,
        time_zone=_TIME_ZONE,
        attempt_deadline=Duration(seconds=_ATTEMPT_DEADLINE_SECONDS),
        # A tick that failed is made up for by the next one, which selects all that is due.
        retry_config=scheduler_v1.RetryConfig(retry_count=0),
        http_target=scheduler_v1.HttpTarget(
            uri=dispatcher_url,
            http_method=scheduler_v1.HttpMethod.POST,
            oidc_token=scheduler_v1.OidcToken(
                service_account_email=service_account, audience=dispatcher_url
            ),
        ),
    )
