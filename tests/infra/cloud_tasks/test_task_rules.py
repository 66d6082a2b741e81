from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode

from infra.local.cloud_tasks.messages import Task, instant
from infra.local.cloud_tasks.task_rules import (
    MAX_TASK_BYTES,
    MAX_URL_CHARACTERS,
    DeadlineRange,
    complete_task,
)
from infra.local.emulator.errors import ApiError
from infra.local.emulator.messages import duration
from tests.infra.cloud_tasks.hand import NOW, after, task

POST, GET = 1, 2


def completed(message: Any) -> Any:
    complete_task(message, NOW, DeadlineRange())
    return message


def refusal(message: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        completed(message)
    return refused.value


def with_request(**fields: Any) -> Any:
    return task("t", http_request={"url": "http://worker/run", **fields})


def test_a_plain_task_is_a_post_now_with_ten_minutes_to_answer() -> None:
    message = task("t")
    assert complete_task(message, NOW, DeadlineRange()) == NOW
    assert message.http_request.http_method == POST
    assert instant(message.schedule_time) == NOW
    assert duration(message.dispatch_deadline) == timedelta(minutes=10)


def test_the_create_time_has_whole_seconds() -> None:
    message = task("t")
    complete_task(message, after(0.75), DeadlineRange())
    assert instant(message.create_time) == NOW


@pytest.mark.parametrize(("ahead", "due"), [(-60, 0), (0, 0), (60, 60), (30 * 86_400, 30 * 86_400)])
def test_a_task_is_due_at_its_time_and_never_before_now(ahead: float, due: float) -> None:
    message = task("t", schedule_time=after(ahead))
    assert complete_task(message, NOW, DeadlineRange()) == after(due)
    assert instant(message.schedule_time) == after(due)


def test_a_schedule_time_is_cut_to_the_microsecond() -> None:
    message = completed(
        task("t", schedule_time={"seconds": int(after(60).timestamp()), "nanos": 1_999})
    )
    assert message.schedule_time.nanos == 1_000


def test_more_than_30_days_ahead_is_refused() -> None:
    error = refusal(task("t", schedule_time=after(30 * 86_400 + 1)))
    assert error.status is StatusCode.INVALID_ARGUMENT
    assert "30 days" in error.message


def test_a_time_that_no_calendar_holds_is_refused() -> None:
    assert "scheduleTime" in refusal(task("t", schedule_time={"seconds": 2**60})).message


@pytest.mark.parametrize("seconds", [15, 600, 1800])
def test_a_deadline_from_15_seconds_to_30_minutes_is_kept(seconds: int) -> None:
    message = completed(task("t", dispatch_deadline={"seconds": seconds}))
    assert message.dispatch_deadline.seconds == seconds


@pytest.mark.parametrize("seconds", [-1, 0, 14, 1801])
def test_a_deadline_outside_15_seconds_to_30_minutes_is_refused(seconds: int) -> None:
    error = refusal(task("t", dispatch_deadline={"seconds": seconds}))
    assert "dispatchDeadline must be between [15s, 1800s]" in error.message


def test_what_only_the_service_writes_is_dropped() -> None:
    message = completed(
        task("t", dispatch_count=7, response_count=7, create_time=after(99), first_attempt={})
    )
    assert (message.dispatch_count, message.response_count) == (0, 0)
    assert not message.HasField("first_attempt")
    assert instant(message.create_time) == NOW


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"url": ""}, "HttpRequest.url is required."),
        ({"url": "ftp://x"}, "HttpTarget.url must start with 'http://' or 'https://'."),
        ({"url": "worker/run"}, "HttpTarget.url must start with 'http://' or 'https://'."),
        ({"url": "http://x/" + "a" * MAX_URL_CHARACTERS}, "2083"),
        ({"url": "http://x/a b"}, "spaces"),
        ({"url": "http:///path"}, "host"),
        ({"url": "http://[::1/"}, "host"),
        ({"http_method": 99}, "not a known method"),
        ({"http_method": GET, "body": b"x"}, "only with the methods POST, PUT and PATCH"),
        ({"headers": {"X": "a" * 80 * 1024}}, "80KB"),
        ({"headers": {"X": "a\r\nY: b"}}, "line breaks"),
        ({"headers": {"": "a"}}, "names"),
        ({"oidc_token": {"audience": "a"}}, "serviceAccountEmail"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(fields: Any, sentence: str) -> None:
    error = refusal(with_request(**fields))
    assert error.status is StatusCode.INVALID_ARGUMENT
    assert sentence in error.message


def test_a_task_without_a_target_is_refused() -> None:
    assert refusal(Task()).message == "HttpRequest.url is required."


@pytest.mark.parametrize(
    "message",
    [
        Task(app_engine_http_request={"relative_uri": "/"}),
        with_request(oauth_token={"service_account_email": "a@b"}),
    ],
)
def test_other_targets_and_tokens_are_said_not_to_be_served(message: Any) -> None:
    assert refusal(message).status is StatusCode.UNIMPLEMENTED


def test_the_stored_task_may_have_the_recorded_size_and_no_more() -> None:
    room = MAX_TASK_BYTES - completed(with_request(body=b"x" * 1_000_000)).ByteSize()
    fits = completed(with_request(body=b"x" * (1_000_000 + room)))
    assert fits.ByteSize() == MAX_TASK_BYTES
    assert "too large" in refusal(with_request(body=b"x" * (1_000_001 + room))).message


def test_the_retries_of_a_task_are_checked() -> None:
    assert "maxAttempts" in refusal(task("t", retry_config={"max_attempts": -2})).message
