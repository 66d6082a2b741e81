"""What is refused in a job, and its defaults."""

from datetime import timedelta

import pytest
from grpc import StatusCode

from infra.local.cloud_scheduler.checks import check_job, location_of
from infra.local.emulator.backoff import Backoff
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_scheduler.jobs import PARENT, SECOND, message

URI = "http://127.0.0.1:9/tick"


def test_defaults_are_filled_in() -> None:
    job = message(time_zone="")
    rule = check_job(job)
    assert job.attempt_deadline.ToTimedelta() == timedelta(minutes=3)
    assert job.time_zone == "UTC"
    assert (rule.retry.retry_count, rule.retry.max_retry_duration) == (0, timedelta(0))
    assert rule.retry.backoff == Backoff(5 * SECOND, timedelta(hours=1), max_doublings=5)
    assert job.retry_config.min_backoff_duration.ToTimedelta() == 5 * SECOND


def test_settings_are_kept() -> None:
    job = message(
        attempt_deadline=timedelta(minutes=30),
        retry_config={
            "retry_count": 5,
            "max_retry_duration": timedelta(hours=2),
            "min_backoff_duration": SECOND,
            "max_backoff_duration": 9 * SECOND,
            "max_doublings": 2,
        },
    )
    retry = check_job(job).retry
    assert job.attempt_deadline.ToTimedelta() == timedelta(minutes=30)
    assert retry.retry_count == 5
    assert retry.max_retry_duration == timedelta(hours=2)
    assert retry.backoff == Backoff(SECOND, 9 * SECOND, max_doublings=2)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schedule": ""}, "Schedule or time zone is invalid."),
        ({"schedule": "every 5 minutes"}, "Schedule or time zone is invalid."),
        ({"time_zone": "Mars/Olympus"}, "Schedule or time zone is invalid."),
        ({"description": "x" * 501}, "description is longer than 500"),
        ({"attempt_deadline": timedelta(seconds=14)}, "15 seconds, 30 minutes"),
        ({"attempt_deadline": timedelta(minutes=30, seconds=1)}, "15 seconds, 30 minutes"),
        ({"retry_config": {"retry_count": 6}}, "retry_count must be from 0 to 5"),
        ({"retry_config": {"retry_count": -1}}, "retry_count must be from 0 to 5"),
        ({"retry_config": {"max_doublings": -1}}, "must not be negative"),
        ({"retry_config": {"max_retry_duration": -SECOND}}, "must not be negative"),
        (
            {"retry_config": {"min_backoff_duration": {"seconds": 10**15}}},
            "is not a duration",
        ),
        ({"retry_config": {"max_retry_duration": timedelta(days=367)}}, "longer than a year"),
        ({"retry_config": {"max_backoff_duration": SECOND}}, "must not be greater"),
        ({"http_target": None}, "target is required"),
        ({"http_target": {}}, "uri is required"),
        ({"http_target": {"uri": "ftp://example.com"}}, "must start with"),
        ({"http_target": {"uri": "http://"}}, "not a valid URL"),
        ({"http_target": {"uri": "http://host:port/"}}, "not a valid URL"),
        ({"http_target": {"uri": "http://h/" + "x" * 2083}}, "longer than 2083"),
        ({"http_target": {"uri": URI, "http_method": 2, "body": b"x"}}, "POST, PUT, or PATCH"),
        ({"http_target": {"uri": URI, "http_method": 77}}, "is not a method"),
        ({"http_target": {"uri": URI, "headers": {"a b": "c"}}}, "not a valid header"),
        ({"http_target": {"uri": URI, "headers": {"a": "b\r\nc: d"}}}, "not a valid header"),
        ({"http_target": {"uri": URI, "headers": {"a": "x" * 81920}}}, "smaller than 80 KB"),
        ({"http_target": {"uri": URI, "body": b"x" * 1024**2}}, "larger than 1 MB"),
        ({"http_target": {"uri": URI, "oidc_token": {}}}, "service_account_email is required"),
    ],
)
def test_a_wrong_job_is_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ApiError, match=reason.replace("(", r"\(")) as refusal:
        check_job(message(**fields))
    assert refusal.value.status is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "fields",
    [
        {"http_target": None, "pubsub_target": {"topic_name": "projects/p/topics/t"}},
        {"http_target": None, "app_engine_http_target": {"relative_uri": "/"}},
        {"http_target": {"uri": URI, "oauth_token": {"service_account_email": "a@b"}}},
    ],
)
def test_what_is_not_emulated_is_said_to_be_so(fields: dict[str, object]) -> None:
    with pytest.raises(ApiError, match="does not serve") as refusal:
        check_job(message(**fields))
    assert refusal.value.status is StatusCode.UNIMPLEMENTED


def test_a_job_name_gives_its_location() -> None:
    assert location_of(f"{PARENT}/jobs/a-B_9") == PARENT


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tick",
        f"{PARENT}/jobs/",
        f"{PARENT}/jobs/a.b",
        f"{PARENT}/jobs/{'x' * 501}",
        f"{PARENT}/queues/a",
        f"{PARENT}/jobs/a/b",
    ],
)
def test_a_malformed_job_name_is_refused(name: str) -> None:
    with pytest.raises(ApiError):
        location_of(name)
