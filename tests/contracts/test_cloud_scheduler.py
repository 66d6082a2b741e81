"""What Syncline relies on in Cloud Scheduler, through the real client over gRPC."""

import re
import time
from collections.abc import Generator
from datetime import UTC, timedelta

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.auth.transport.requests import Request as AuthRequest
from google.cloud import scheduler_v1
from google.cloud.scheduler_v1 import Job
from google.oauth2 import id_token
from google.protobuf.field_mask_pb2 import FieldMask

from infra.local.cloud_scheduler.faults import Fault, FaultKind
from infra.local.cloud_scheduler.running import RunningCloudScheduler, running_cloud_scheduler
from tests.contracts.scheduler import (
    PARENT,
    SCHEDULE_TIME,
    job_for,
    quiet,
    schedule_times,
    until,
)
from tests.infra.cloud_scheduler.recorder import Recorder, recording

MINUTE = timedelta(minutes=1)
SERVICE_ACCOUNT = "scheduler@demo.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def scheduler() -> Generator[RunningCloudScheduler, None, None]:
    with running_cloud_scheduler() as scheduler:
        yield scheduler


@pytest.fixture(scope="module")
def client(
    scheduler: RunningCloudScheduler,
) -> Generator[scheduler_v1.CloudSchedulerClient, None, None]:
    with scheduler.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _early_in_a_minute_without_jobs(
    scheduler: RunningCloudScheduler, client: scheduler_v1.CloudSchedulerClient
) -> Generator[None, None, None]:
    now = scheduler.advance(timedelta(0))
    # No minute then begins by itself while a test runs.
    scheduler.advance(timedelta(seconds=61 - now.second))
    yield
    scheduler.clear_faults()
    for job in client.list_jobs(parent=PARENT):
        client.delete_job(name=job.name)


@pytest.fixture
def target() -> Generator[Recorder, None, None]:
    with recording() as recorder:
        yield recorder


class TestJobs:
    def test_a_job_is_returned_as_it_was_created(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        wanted = job_for(target, description="every minute")
        created = client.create_job(parent=PARENT, job=wanted)
        assert client.get_job(name=wanted.name) == created
        assert created.state is Job.State.ENABLED
        assert created.description == "every minute"
        assert created.attempt_deadline == timedelta(minutes=3)
        assert created.schedule_time > created.user_update_time

    def test_a_job_is_created_once(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        job = job_for(target)
        client.create_job(parent=PARENT, job=job)
        with pytest.raises(exceptions.AlreadyExists):
            client.create_job(parent=PARENT, job=job)

    def test_a_wrong_job_is_an_invalid_argument(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        job = job_for(target, schedule="every 5 minutes")
        with pytest.raises(exceptions.InvalidArgument, match="Schedule or time zone is invalid"):
            client.create_job(parent=PARENT, job=job)

    def test_an_update_changes_what_its_mask_names(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        job = client.create_job(parent=PARENT, job=job_for(target, description="kept"))
        wanted = Job(name=job.name, schedule="0 4 * * *", description="ignored")
        updated = client.update_job(job=wanted, update_mask=FieldMask(paths=["schedule"]))
        assert (updated.schedule, updated.description) == ("0 4 * * *", "kept")
        assert updated.schedule_time.hour == 4

    def test_a_mask_that_names_no_field_is_an_invalid_argument(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        job = client.create_job(parent=PARENT, job=job_for(target))
        with pytest.raises(exceptions.InvalidArgument, match="Invalid mask"):
            client.update_job(job=job, update_mask=FieldMask(paths=["colour"]))

    def test_all_jobs_of_a_location_are_listed_page_by_page(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        names = {client.create_job(parent=PARENT, job=job_for(target)).name for _ in range(5)}
        pager = client.list_jobs(request={"parent": PARENT, "page_size": 2})
        pages = [[job.name for job in page.jobs] for page in pager.pages]
        assert [len(page) for page in pages] == [2, 2, 1]
        assert {name for page in pages for name in page} == names

    def test_a_deleted_job_is_gone_and_its_name_is_free(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        job = client.create_job(parent=PARENT, job=job_for(target))
        client.delete_job(name=job.name)
        with pytest.raises(exceptions.NotFound):
            client.get_job(name=job.name)
        client.create_job(parent=PARENT, job=job)

    @pytest.mark.parametrize(
        "method", ["get_job", "delete_job", "pause_job", "resume_job", "run_job"]
    )
    def test_a_job_that_is_not_there_is_not_found(
        self, client: scheduler_v1.CloudSchedulerClient, method: str
    ) -> None:
        with pytest.raises(exceptions.NotFound):
            getattr(client, method)(name=f"{PARENT}/jobs/nobody")

    def test_an_update_of_a_job_that_is_not_there_is_not_found(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        with pytest.raises(exceptions.NotFound):
            client.update_job(job=job_for(target))

    def test_only_an_enabled_job_is_paused_and_only_a_paused_one_resumed(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        name = client.create_job(parent=PARENT, job=job_for(target)).name
        with pytest.raises(exceptions.FailedPrecondition):
            client.resume_job(name=name)
        assert client.pause_job(name=name).state is Job.State.PAUSED
        with pytest.raises(exceptions.FailedPrecondition):
            client.pause_job(name=name)
        assert client.resume_job(name=name).state is Job.State.ENABLED

    def test_a_method_that_is_not_served_says_so(
        self, client: scheduler_v1.CloudSchedulerClient
    ) -> None:
        with pytest.raises(exceptions.MethodNotImplemented):
            client.list_locations({"name": "projects/demo"})


class TestExecutions:
    def test_a_job_calls_its_target_when_its_time_comes(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        job = client.create_job(parent=PARENT, job=job_for(target))
        scheduler.advance(MINUTE)
        (call,) = target.wait_for(1)
        assert (call.method, call.path, call.body) == ("POST", "/", b"")
        assert call.headers["user-agent"] == "Google-Cloud-Scheduler"
        assert call.headers["x-cloudscheduler"] == "true"
        assert call.headers["x-cloudscheduler-jobname"] == job.name.rpartition("/")[2]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", call.headers[SCHEDULE_TIME])
        assert schedule_times([call]) == [job.schedule_time.astimezone(UTC)]

    def test_an_execution_is_recorded_on_the_job(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        target.answer([404])
        job = client.create_job(parent=PARENT, job=job_for(target))
        scheduler.advance(MINUTE)
        target.wait_for(1)
        quiet(scheduler)
        after = client.get_job(name=job.name)
        assert after.status.code == grpc.StatusCode.NOT_FOUND.value[0]
        assert after.last_attempt_time >= job.schedule_time
        assert after.schedule_time == job.schedule_time + MINUTE
        assert after.user_update_time == job.user_update_time

    def test_a_run_still_outstanding_makes_the_next_be_skipped(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        skipped = scheduler.stats()["skipped"]
        target.hold()
        client.create_job(parent=PARENT, job=job_for(target))
        scheduler.advance(MINUTE)
        target.wait_for(1)
        scheduler.advance(MINUTE)
        until(lambda: scheduler.stats()["skipped"] == skipped + 1)
        target.release()
        quiet(scheduler)
        scheduler.advance(MINUTE)
        first, second = schedule_times(target.wait_for(2))
        assert second - first == 2 * MINUTE

    def test_a_retry_repeats_the_schedule_time(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        failed = scheduler.stats()["failed"]
        target.answer([500, 503])
        retry = {"retry_count": 2, "min_backoff_duration": timedelta(seconds=20)}
        job = job_for(target, retry_config=retry, schedule="0 0 1 1 *")
        client.create_job(parent=PARENT, job=job)
        client.run_job(name=job.name)
        for attempt, wait in ((1, 20), (2, 40)):
            until(lambda expected=failed + attempt: scheduler.stats()["failed"] == expected)
            scheduler.advance(timedelta(seconds=wait))
        assert len(set(schedule_times(target.wait_for(3)))) == 1
        quiet(scheduler)
        assert client.get_job(name=job.name).status.code == grpc.StatusCode.OK.value[0]

    def test_without_retries_a_failure_waits_for_the_next_instant(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        target.answer([500])
        client.create_job(parent=PARENT, job=job_for(target))
        scheduler.advance(MINUTE)
        target.wait_for(1)
        quiet(scheduler)
        scheduler.advance(MINUTE)
        first, second = schedule_times(target.wait_for(2))
        assert second - first == MINUTE

    def test_a_paused_job_is_called_only_by_force(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        fired = scheduler.stats()["fired"]
        name = client.create_job(parent=PARENT, job=job_for(target)).name
        client.pause_job(name=name)
        scheduler.advance(5 * MINUTE)
        client.run_job(name=name)
        target.wait_for(1)
        quiet(scheduler)
        assert scheduler.stats()["fired"] == fired
        assert len(target.requests) == 1

    def test_a_forced_run_carries_the_next_time_and_starts_beside_an_outstanding_one(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        target.hold()
        job = client.create_job(parent=PARENT, job=job_for(target, schedule="0 0 1 1 *"))
        client.run_job(name=job.name)
        client.run_job(name=job.name)
        calls = target.wait_for(2)
        target.release()
        assert set(schedule_times(calls)) == {job.schedule_time.astimezone(UTC)}

    def test_a_changed_target_is_called_from_then_on(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        job = client.create_job(parent=PARENT, job=job_for(target))
        job.http_target.uri = f"{target.url}/moved"
        client.update_job(job=job, update_mask=FieldMask(paths=["http_target.uri"]))
        scheduler.advance(MINUTE)
        assert [call.path for call in target.wait_for(1)] == ["/moved"]

    def test_a_body_arrives_as_bytes_with_a_content_type(
        self, client: scheduler_v1.CloudSchedulerClient, target: Recorder
    ) -> None:
        http_target = {"uri": target.url, "body": b"\x00\xff", "headers": {"X-Own": "1"}}
        job = client.create_job(parent=PARENT, job=job_for(target, http_target=http_target))
        client.run_job(name=job.name)
        (call,) = target.wait_for(1)
        assert call.body == b"\x00\xff"
        assert call.headers["content-type"] == "application/octet-stream"
        assert call.headers["x-own"] == "1"


class TestTokens:
    @pytest.mark.parametrize("audience", ["", "https://dispatcher.example"])
    def test_a_token_is_verified_as_one_of_google_is(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
        audience: str,
    ) -> None:
        token = {"service_account_email": SERVICE_ACCOUNT, "audience": audience}
        http_target = {"uri": f"{target.url}/tick", "oidc_token": token}
        job = client.create_job(parent=PARENT, job=job_for(target, http_target=http_target))
        scheduler.advance(MINUTE)
        (call,) = target.wait_for(1)
        scheme, _, bearer = call.headers["authorization"].partition(" ")
        with requests.Session() as session:
            claims = id_token.verify_token(
                bearer,
                AuthRequest(session),
                audience=audience or job.http_target.uri,
                certs_url=scheduler.certs_url,
            )
        assert scheme == "Bearer"
        assert claims["email"] == SERVICE_ACCOUNT
        assert claims["email_verified"]
        assert claims["iss"] == "https://accounts.google.com"


class TestFaults:
    def test_a_tick_can_come_twice_at_once(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        target.hold()
        scheduler.set_faults(Fault(FaultKind.DELIVER_TWICE_AT_ONCE, times=1))
        client.create_job(parent=PARENT, job=job_for(target))
        scheduler.advance(MINUTE)
        calls = target.wait_for(2)
        target.release()
        assert len(set(schedule_times(calls))) == 1

    def test_a_tick_can_come_again_after_its_answer(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        scheduler.set_faults(Fault(FaultKind.DELIVER_TWICE, times=1))
        client.create_job(parent=PARENT, job=job_for(target))
        target.hold()
        scheduler.advance(MINUTE)
        assert len(target.wait_for(1)) == 1
        target.release()
        assert len(set(schedule_times(target.wait_for(2)))) == 1

    def test_a_tick_can_get_lost(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        fired = scheduler.stats()["fired"]
        scheduler.set_faults(Fault(FaultKind.DROP, times=1))
        job = client.create_job(parent=PARENT, job=job_for(target))
        scheduler.advance(MINUTE)
        until(lambda: scheduler.stats()["fired"] == fired + 1)
        quiet(scheduler)
        scheduler.advance(MINUTE)
        (call,) = target.wait_for(1)
        assert schedule_times([call]) == [job.schedule_time.astimezone(UTC) + MINUTE]

    def test_a_tick_can_come_late_with_its_own_time(
        self,
        scheduler: RunningCloudScheduler,
        client: scheduler_v1.CloudSchedulerClient,
        target: Recorder,
    ) -> None:
        scheduler.set_faults(Fault(FaultKind.DELAY, times=1, seconds=0.3))
        job = client.create_job(parent=PARENT, job=job_for(target))
        before = time.monotonic()
        scheduler.advance(MINUTE)
        (call,) = target.wait_for(1)
        assert time.monotonic() - before >= 0.3
        assert schedule_times([call]) == [job.schedule_time.astimezone(UTC)]
