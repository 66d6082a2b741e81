from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth import jwt

from infra.local.cloud_tasks.outcome import Outcome
from infra.local.cloud_tasks.outgoing import OutgoingRequest, outgoing_request
from infra.local.identity import LocalSigner
from tests.infra.cloud_tasks.hand import NOW, QUEUE, after, cloud, task

URL = "http://worker/run?a=1"
OIDC = {"service_account_email": "tasks@demo.iam.gserviceaccount.com"}


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> LocalSigner:
    return LocalSigner.load_or_create(Path(tmp_path_factory.mktemp("key")) / "key.pem")


def sent(signer: LocalSigner, *failures: int, **request: Any) -> OutgoingRequest:
    state, _ = cloud().create_task(QUEUE, task("t", http_request={"url": URL, **request}), NOW)
    for status in failures:
        _, attempt = state.force("t", NOW)
        assert attempt is not None
        state.settle(attempt, Outcome(status), NOW)
    _, attempt = state.force("t", after(0.25))
    assert attempt is not None
    return outgoing_request(QUEUE, attempt, signer, NOW)


def test_the_first_attempt_tells_queue_task_counts_and_time_and_no_previous_answer(
    signer: LocalSigner,
) -> None:
    assert sent(signer).headers == {
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": "syncs",
        "X-CloudTasks-TaskName": "t",
        "X-CloudTasks-TaskRetryCount": "0",
        "X-CloudTasks-TaskExecutionCount": "0",
        "X-CloudTasks-TaskETA": f"{int(NOW.timestamp())}.250000",
    }


def test_a_later_attempt_tells_the_previous_answer_and_an_empty_reason(signer: LocalSigner) -> None:
    headers = sent(signer, 503, 404).headers
    assert headers["X-CloudTasks-TaskRetryCount"] == "2"
    assert headers["X-CloudTasks-TaskExecutionCount"] == "1"
    assert headers["X-CloudTasks-TaskPreviousResponse"] == "404"
    assert headers["X-CloudTasks-TaskRetryReason"] == ""


def test_method_url_headers_body_and_deadline_are_the_tasks(signer: LocalSigner) -> None:
    request = sent(signer, http_method=4, headers={"Content-Type": "text/plain"}, body=b"hello")
    assert (request.method, request.url, request.body) == ("PUT", URL, b"hello")
    assert request.headers["Content-Type"] == "text/plain"
    assert request.deadline == timedelta(minutes=10)


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "User-Agent", "Transfer-Encoding"),
        *("X-CloudTasks-TaskRetryCount", "x-cloudtasks-anything"),
        *("X-Google-Internal", "X-AppEngine-User"),
    ],
)
def test_headers_that_are_the_services_own_are_replaced(signer: LocalSigner, name: str) -> None:
    headers = sent(signer, headers={name: "forged"}).headers
    assert "forged" not in headers.values()
    assert len({key.lower() for key in headers}) == len(headers)


def test_the_token_is_for_the_url_unless_the_task_says_otherwise(signer: LocalSigner) -> None:
    assert claims(sent(signer, oidc_token=OIDC))["aud"] == URL
    named = {**OIDC, "audience": "https://worker"}
    told = claims(sent(signer, oidc_token=named))
    assert (told["aud"], told["email"]) == ("https://worker", OIDC["service_account_email"])


def test_the_token_takes_the_place_of_a_header_of_the_task(signer: LocalSigner) -> None:
    headers = sent(signer, oidc_token=OIDC, headers={"authorization": "Bearer forged"}).headers
    assert "authorization" not in headers
    assert headers["Authorization"].startswith("Bearer ey")


def test_without_a_token_the_header_of_the_task_is_sent(signer: LocalSigner) -> None:
    assert sent(signer, headers={"Authorization": "Basic x"}).headers["Authorization"] == "Basic x"


def claims(request: OutgoingRequest) -> Any:
    return jwt.decode(request.headers["Authorization"].removeprefix("Bearer "), verify=False)
