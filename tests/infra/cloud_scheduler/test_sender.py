"""Deliveries to a real HTTP server."""

import asyncio
import socket
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from google.rpc import code_pb2

from infra.local.cloud_scheduler.job import Attempt
from infra.local.cloud_scheduler.registry import Delivery
from infra.local.cloud_scheduler.sender import Sender
from infra.local.identity import LocalSigner
from shared.clock import utc_now
from tests.infra.cloud_scheduler.jobs import NAME, START, message
from tests.infra.cloud_scheduler.recorder import Recorder, recording


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> LocalSigner:
    return LocalSigner.load_or_create(Path(tmp_path_factory.mktemp("keys")) / "key.pem")


@pytest.fixture
def recorder() -> Generator[Recorder, None, None]:
    with recording() as recorder:
        yield recorder


def sent(signer: LocalSigner, deadline: timedelta = timedelta(seconds=20), **target: object) -> int:
    """Send one delivery and return its google.rpc code."""

    async def send() -> int:
        async with Sender(signer, utc_now) as sender:
            http_target = message(http_target=target).http_target
            return await sender.send(Delivery(NAME, 1, Attempt(1, 1, START), http_target, deadline))

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, code_pb2.OK),
        (204, code_pb2.OK),
        (299, code_pb2.OK),
        (400, code_pb2.INVALID_ARGUMENT),
        (401, code_pb2.UNAUTHENTICATED),
        (404, code_pb2.NOT_FOUND),
        (418, code_pb2.UNKNOWN),
        (429, code_pb2.RESOURCE_EXHAUSTED),
        (500, code_pb2.INTERNAL),
        (503, code_pb2.UNAVAILABLE),
    ],
)
def test_an_answer_becomes_a_code(
    signer: LocalSigner, recorder: Recorder, status: int, code: int
) -> None:
    recorder.answer([status])
    assert sent(signer, uri=recorder.url) == code


def test_the_answer_of_a_redirected_request_counts(signer: LocalSigner, recorder: Recorder) -> None:
    recorder.answer([307, 500])
    assert sent(signer, uri=recorder.url) == code_pb2.INTERNAL
    assert [request.path for request in recorder.requests] == ["/", "/elsewhere"]


def test_no_answer_before_the_deadline_is_a_failure(
    signer: LocalSigner, recorder: Recorder
) -> None:
    recorder.hold()
    deadline = timedelta(milliseconds=200)
    assert sent(signer, deadline, uri=recorder.url) == code_pb2.DEADLINE_EXCEEDED
    recorder.wait_for(1)


def test_nobody_there_is_a_failure(signer: LocalSigner) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert sent(signer, uri=uri) == code_pb2.UNAVAILABLE


@pytest.mark.parametrize(
    ("number", "method"), [(0, "POST"), (1, "POST"), (2, "GET"), (4, "PUT"), (5, "DELETE")]
)
def test_the_method_body_and_headers_arrive(
    signer: LocalSigner, recorder: Recorder, number: int, method: str
) -> None:
    body = b"" if method in ("GET", "DELETE") else b"\x00body"
    uri = f"{recorder.url}/path?q=1"
    sent(signer, uri=uri, http_method=number, body=body, headers={"X-Own": "a, b"})
    (request,) = recorder.requests
    assert (request.method, request.path, request.body) == (method, "/path?q=1", body)
    assert request.headers["x-own"] == "a, b"
    assert request.headers["host"] == recorder.url.removeprefix("http://")
    assert ("content-type" in request.headers) == bool(body)
    assert "authorization" not in request.headers


def test_a_token_replaces_an_authorization_header_of_the_owner(
    signer: LocalSigner, recorder: Recorder
) -> None:
    token = {"service_account_email": "a@b"}
    headers = {"authorization": "Basic bWU6bWU="}
    sent(signer, uri=recorder.url, oidc_token=token, headers=headers)
    (request,) = recorder.requests
    assert request.headers["authorization"].startswith("Bearer ")
