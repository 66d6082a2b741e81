"""What requests raises against servers that fail in every way is told without its text."""

import errno
import http.client
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests
import urllib3
from dlt.sources.helpers.rest_client import RESTClient

from shared.connectors.failures import source_failure
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.one_answer import one_answer, response, self_signed

CANARY = "canary-in-the-query"
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def failure_of(call: Callable[[], object]) -> SynclineError:
    """Return what the error of the call means, once it is seen that nothing is quoted."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 (whatever a library raises)
        call()
    failure = source_failure(raised.value, now=NOW)
    assert CANARY not in str(failure)
    assert "127.0.0.1" not in str(failure)
    return failure


def get(port: int, *, scheme: str = "http", timeout: float = 5) -> requests.Response:
    url = f"{scheme}://127.0.0.1:{port}/?key={CANARY}"
    # Streamed, because only such a response is closed when its body breaks off.
    with requests.get(url, timeout=timeout, stream=True) as answer:
        assert answer.content is not None
        return answer


def checked(port: int) -> None:
    get(port).raise_for_status()


def paged(port: int) -> None:
    with requests.Session() as session:
        client = RESTClient(f"http://127.0.0.1:{port}", session=session)
        try:
            list(client.paginate("/orders", params={"key": CANARY}))
        except requests.HTTPError as error:
            error.response.close()
            raise


@pytest.mark.parametrize("call", [checked, paged])
@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ("401 Unauthorized", PermanentError, "authorization"),
        ("403 Forbidden", PermanentError, "authorization"),
        ("404 Not Found", PermanentError, "configuration"),
        ("422 Unprocessable Content", PermanentError, "configuration"),
        ("429 Too Many Requests", TransientError, "rate_limited"),
        ("500 Internal Server Error", TransientError, "source_unavailable"),
        ("503 Service Unavailable", TransientError, "source_unavailable"),
    ],
)
def test_the_status_of_a_real_response_decides(
    call: Callable[[int], None], status: str, kind: type[SynclineError], code: str
) -> None:
    with one_answer(response(status, body=CANARY)) as port:
        failure = failure_of(lambda: call(port))
    assert (type(failure), failure.code) == (kind, code)
    assert f"(HTTP {status[:3]})" in str(failure)


@pytest.mark.parametrize("call", [checked, paged])
@pytest.mark.parametrize("value", ["90", format_datetime(NOW + timedelta(seconds=90), usegmt=True)])
def test_the_retry_after_of_a_real_response_is_heard(
    call: Callable[[int], None], value: str
) -> None:
    with one_answer(response("429 Too Many Requests", f"retry-after: {value}")) as port:
        failure = failure_of(lambda: call(port))
    assert isinstance(failure, TransientError)
    assert failure.retry_after == timedelta(seconds=90)


def test_a_date_is_read_against_the_clock_when_no_instant_is_given() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    with one_answer(response("429 Too Many Requests", f"Retry-After: {later}")) as port:
        with pytest.raises(requests.HTTPError) as raised:
            checked(port)
        failure = source_failure(raised.value)
    assert isinstance(failure, TransientError)
    assert failure.retry_after is not None
    assert timedelta(hours=1) < failure.retry_after <= timedelta(hours=2)


def test_a_source_that_nobody_answers_for_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    failure = failure_of(lambda: get(port))
    assert (type(failure), failure.code) == (TransientError, "source_unavailable")
    assert "cannot be reached" in str(failure)


def test_a_host_that_has_no_address_is_waited_for() -> None:
    failure = failure_of(lambda: requests.get(f"http://{CANARY}.invalid/", timeout=5))
    assert (type(failure), failure.code) == (TransientError, "source_unavailable")
    assert "cannot be resolved" in str(failure)


CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[1,"
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-none\r\n", CUT, CHUNK, GZIP])
@pytest.mark.parametrize("resets", [False, True])
def test_an_answer_that_breaks_off_or_is_none_is_asked_for_again(
    answer: bytes, resets: bool
) -> None:
    with one_answer(answer, resets=resets) as port:
        failure = failure_of(lambda: get(port))
    assert (type(failure), failure.code) == (TransientError, "source_unavailable")
    assert "failed or closed the connection" in str(failure)


@pytest.mark.parametrize("answer", [b"", CUT])
def test_an_answer_that_does_not_come_is_asked_for_again(answer: bytes) -> None:
    with one_answer(answer, holds=True) as port:
        failure = failure_of(lambda: get(port, timeout=0.2))
    assert (type(failure), failure.code) == (TransientError, "source_unavailable")
    assert "did not answer in time" in str(failure)


def test_an_answer_that_is_not_json_is_asked_for_again() -> None:
    with one_answer(response("200 OK", body=f"<html>{CANARY}")) as port:
        failure = failure_of(lambda: get(port).json())
    assert (type(failure), failure.code) == (TransientError, "source_unavailable")
    assert "not JSON" in str(failure)


def test_a_redirect_to_itself_is_a_setting_to_correct() -> None:
    with (
        requests.Session() as session,
        one_answer(response("302 Found", "Location: /")) as port,
    ):
        session.max_redirects = 0
        failure = failure_of(lambda: session.get(f"http://127.0.0.1:{port}/", timeout=5))
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert "redirects" in str(failure)


@pytest.mark.parametrize(
    "url", ["http:///x", "gopher://x", "x", "http://[::1", f"http://{'a' * 70}.com/"]
)
def test_an_address_that_cannot_be_used_is_a_setting_to_correct(url: str) -> None:
    failure = failure_of(lambda: requests.get(url, timeout=5))
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert "an address that cannot be used" in str(failure)


def test_a_key_that_no_header_can_hold_is_a_setting_to_correct() -> None:
    headers = {"Authorization": f"{CANARY}\n"}
    failure = failure_of(lambda: requests.get("http://127.0.0.1:1", headers=headers, timeout=5))
    assert (type(failure), failure.code) == (PermanentError, "configuration")


def test_a_certificate_that_nobody_vouches_for_is_a_setting_to_correct(tmp_path: Path) -> None:
    with one_answer(response("200 OK"), tls=self_signed(tmp_path / "tls.pem")) as port:
        failure = failure_of(lambda: get(port, scheme="https"))
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert "certificate" in str(failure)


def test_a_server_that_does_not_speak_tls_is_a_setting_to_correct() -> None:
    with one_answer(response("400 Bad Request")) as port:
        failure = failure_of(lambda: get(port, scheme="https"))
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert "encrypted" in str(failure)


def test_a_handshake_that_breaks_off_is_tried_again() -> None:
    with one_answer(b"") as port:
        failure = failure_of(lambda: get(port, scheme="https"))
    assert (type(failure), failure.code) == (TransientError, "source_unavailable")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "did not answer in time"),
        (OSError(errno.ETIMEDOUT, CANARY), "did not answer in time"),
        (ConnectionResetError(), "closed the connection"),
        (OSError(errno.EHOSTUNREACH, CANARY), "cannot be reached"),
        (OSError(errno.ENETUNREACH, CANARY), "cannot be reached"),
        (socket.gaierror(socket.EAI_NONAME, CANARY), "cannot be resolved"),
        (ssl.SSLZeroReturnError(), "closed the connection"),
        (http.client.IncompleteRead(CANARY.encode()), "closed the connection"),
        (urllib3.exceptions.PoolError(urllib3.HTTPConnectionPool("h"), CANARY), "failed or closed"),
        (requests.exceptions.RetryError(CANARY), "failed or closed"),
        (requests.HTTPError(CANARY), "failed or closed"),
    ],
)
def test_trouble_below_http_is_waited_for(error: Exception, words: str) -> None:
    failure = source_failure(error, now=NOW)
    assert (type(failure), failure.code) == (TransientError, "source_unavailable")
    assert words in str(failure)
    assert CANARY not in str(failure)
