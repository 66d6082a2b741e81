"""The tick job, in the local Cloud Scheduler."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from google.cloud.scheduler_v1 import CloudSchedulerClient, HttpMethod, Job

from infra.local.cloud_scheduler.running import RunningCloudScheduler, running_cloud_scheduler
from shared.gcp.tick_job import ensure_tick_job, scheduler_client
from tests.infra.cloud_scheduler.recorder import Recorder, recording

PROJECT, LOCATION = "demo", "europe-north1"
NAME = f"projects/{PROJECT}/locations/{LOCATION}/jobs/syncline-tick"
URL = "http://127.0.0.1:9/"
SERVICE_ACCOUNT = "scheduler@demo.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def scheduler() -> Generator[RunningCloudScheduler, None, None]:
    with running_cloud_scheduler() as scheduler:
        yield scheduler


@pytest.fixture
def client(scheduler: RunningCloudScheduler) -> Generator[CloudSchedulerClient, None, None]:
    with scheduler_client(scheduler.address) as client:
        yield client
        for job in client.list_jobs(parent=f"projects/{PROJECT}/locations/{LOCATION}"):
            client.delete_job(name=job.name)


@pytest.fixture
def target() -> Generator[Recorder, None, None]:
    with recording() as recorder:
        yield recorder


def ensure(client: CloudSchedulerClient, url: str = URL) -> None:
    ensure_tick_job(
        client,
        project=PROJECT,
        location=LOCATION,
        dispatcher_url=url,
        service_account=SERVICE_ACCOUNT,
    )


def test_the_job_calls_the_dispatcher_each_minute_without_retries(
    client: CloudSchedulerClient,
) -> None:
    ensure(client)
    job = client.get_job(name=NAME)
    assert (job.schedule, job.time_zone) == ("* * * * *", "Etc/UTC")
    assert job.attempt_deadline == timedelta(seconds=55)
    assert job.retry_config.retry_count == 0
    assert (job.http_target.uri, job.http_target.http_method) == (URL, HttpMethod.POST)
    assert job.http_target.oidc_token.service_account_email == SERVICE_ACCOUNT
    assert job.http_target.oidc_token.audience == URL


def test_a_repeat_changes_nothing_but_the_time_of_the_update(client: CloudSchedulerClient) -> None:
    ensure(client)
    first = client.get_job(name=NAME)
    ensure(client)
    second = client.get_job(name=NAME)
    for output_only in ("user_update_time", "schedule_time"):
        setattr(second, output_only, getattr(first, output_only))
    assert second == first


def test_a_job_that_differs_is_brought_in_line(client: CloudSchedulerClient) -> None:
    ensure(client)
    other = Job(
        name=NAME,
        schedule="0 0 * * *",
        time_zone="Europe/Oslo",
        description="mine",
        retry_config={"retry_count": 5},
        attempt_deadline=timedelta(minutes=30),
        http_target={"uri": "http://127.0.0.1:9/old", "body": b"x", "headers": {"a": "b"}},
    )
    client.update_job(job=other)
    ensure(client)
    job = client.get_job(name=NAME)
    assert (job.schedule, job.time_zone, job.retry_config.retry_count) == (
        "* * * * *",
        "Etc/UTC",
        0,
    )
    assert job.attempt_deadline == timedelta(seconds=55)
    assert (job.http_target.uri, job.http_target.body, dict(job.http_target.headers)) == (
        URL,
        b"",
        {},
    )


def test_a_job_that_a_person_paused_stays_paused(client: CloudSchedulerClient) -> None:
    ensure(client)
    client.pause_job(name=NAME)
    ensure(client)
    assert client.get_job(name=NAME).state is Job.State.PAUSED


def test_two_at_once_leave_one_job(client: CloudSchedulerClient) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(ensure, client) for _ in range(4)]:
            done.result()
    assert [job.name for job in client.list_jobs(parent=NAME.rpartition("/jobs/")[0])] == [NAME]


def test_the_job_reaches_the_dispatcher(
    scheduler: RunningCloudScheduler, client: CloudSchedulerClient, target: Recorder
) -> None:
    ensure(client, f"{target.url}/dispatch")
    scheduler.advance(timedelta(minutes=1))
    tick = target.wait_for(1)[0]
    assert (tick.method, tick.path) == ("POST", "/dispatch")
    assert tick.headers["x-cloudscheduler-jobname"] == "syncline-tick"
    assert tick.headers["authorization"].startswith("Bearer ")
