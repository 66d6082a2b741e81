"""What a delivery looks like on the wire."""

from datetime import timedelta

from infra.local.cloud_scheduler.job import Attempt
from infra.local.cloud_scheduler.registry import Delivery
from infra.local.cloud_scheduler.request import headers_of
from tests.infra.cloud_scheduler.jobs import NAME, START, message

URI = "http://127.0.0.1:9/tick"


def headers(**target: object) -> dict[str, str]:
    job = message(http_target={"uri": URI, **target})
    return headers_of(Delivery(NAME, 1, Attempt(1, 1, START), job.http_target, timedelta(1)))


def test_the_service_names_itself_the_job_and_the_time() -> None:
    assert headers() == {
        "User-Agent": "Google-Cloud-Scheduler",
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": "tick",
        "X-CloudScheduler-ScheduleTime": "2026-11-21T08:00:30Z",
    }


def test_a_body_gets_a_content_type_unless_its_owner_gave_one() -> None:
    assert headers(body=b"x")["Content-Type"] == "application/octet-stream"
    own = headers(body=b"x", headers={"content-type": "application/json"})
    assert own["content-type"] == "application/json"
    assert "Content-Type" not in own


def test_the_owner_of_a_job_cannot_speak_for_the_service() -> None:
    forged = {
        "User-agent": "me",
        "HOST": "elsewhere",
        "content-length": "7",
        "X-Google-Secret": "1",
        "X-AppEngine-Cron": "1",
        "x-cloudscheduler": "false",
        "x-cloudscheduler-jobname": "other",
        "x-own": "kept",
    }
    assert headers(headers=forged) == {"x-own": "kept", **headers()}
