"""What a host may answer, and what becomes of it."""

import gzip
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
import requests
import trustme

from shared.egress.doors import Limits
from shared.egress.guard import Guard
from shared.egress.http import GuardedSession
from shared.egress.lines import Lines
from shared.egress.origins import forbidden_headers, origin_of
from shared.errors import PermanentError, TransientError
from tests.egress.hostile import Hostile, hostile_server, says
from tests.egress.resolver import answers

SECRETS = {"Authorization": "Bearer canary", "X-Api-Key": "canary", "Cookie": "canary=1"}


@pytest.fixture
def session(guard: Guard, lines: Lines) -> Iterator[GuardedSession]:
    with GuardedSession(guard, lines, origin=None) as session:
        yield session


def limited(guard: Guard, lines: Lines, **limits: object) -> GuardedSession:
    return GuardedSession(guard, lines, origin=None, limits=Limits(**limits))


def test_an_ordinary_answer_comes_through_and_its_connection_is_used_again(
    server: Hostile, session: GuardedSession
) -> None:
    server.answers["/"] = says(200, b'{"a": 1}', Content_Type="application/json")
    for _ in range(3):
        assert session.get(server.url("/")).json() == {"a": 1}
    assert len(session.get_adapter(server.url("/")).poolmanager.pools) == 1
    with session.get(server.url("/"), stream=True) as response:
        assert b"".join(response.iter_content(3)) == b'{"a": 1}'


def test_nothing_leads_to_a_private_address(server: Hostile, lines: Lines) -> None:
    with (
        GuardedSession(Guard(), lines, origin=None) as session,
        pytest.raises(PermanentError, match="leads to this machine itself"),
    ):
        session.get(server.url("/"))
    assert server.heard == []


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/computeMetadata/v1/",
        "http://[::ffff:169.254.169.254]/",
        "http://10.0.0.1/",
        "http://2852039166/",
    ],
)
def test_a_redirect_is_checked_as_any_address(
    server: Hostile, session: GuardedSession, target: str
) -> None:
    server.answers["/"] = says(302, Location=target)
    with pytest.raises(PermanentError, match="leads to"):
        session.get(server.url("/"))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x/"])
def test_a_redirect_to_what_is_not_http_is_refused(
    server: Hostile, session: GuardedSession, target: str
) -> None:
    server.answers["/"] = says(302, Location=target)
    with pytest.raises(PermanentError, match="has to start with https"):
        session.get(server.url("/"))


def test_a_redirect_to_another_origin_takes_no_secret_along(
    server: Hostile, session: GuardedSession
) -> None:
    with hostile_server() as other:
        server.answers["/"] = says(302, Location=other.url("/there"))
        other.answers["/there"] = says(200, b"ok")
        session.headers["X-Tenant-Key"] = "canary"
        assert session.get(server.url("/"), headers=SECRETS).text == "ok"
        assert "canary" in str(server.heard[0].headers)
        assert "canary" not in str(other.heard[0].headers)


def test_a_redirect_within_the_origin_keeps_them(server: Hostile, session: GuardedSession) -> None:
    server.answers["/"] = says(302, Location="/there")
    server.answers["/there"] = says(200, b"ok")
    session.get(server.url("/"), headers=SECRETS)
    assert server.heard[1].headers["Authorization"] == "Bearer canary"


def test_what_was_sent_is_not_sent_again_to_another_origin(
    server: Hostile, session: GuardedSession
) -> None:
    with hostile_server() as other:
        server.answers["/"] = says(307, Location=other.url("/"))
        with pytest.raises(PermanentError, match="with what was sent to it"):
            session.post(server.url("/"), data={"client_secret": "canary"})
        assert other.heard == []


def test_redirects_without_an_end_have_one(server: Hostile, session: GuardedSession) -> None:
    server.answers["/"] = says(302, Location="/")
    with pytest.raises(requests.TooManyRedirects):
        session.get(server.url("/"))
    assert len(server.heard) == 6


def test_a_session_of_one_origin_sends_to_no_other(
    server: Hostile, guard: Guard, lines: Lines
) -> None:
    session = GuardedSession(guard, lines, origin=origin_of(server.url("/")))
    server.answers["/"] = says(200, b"ok")
    assert session.get(server.url("/?page=2")).text == "ok"
    with hostile_server() as other, pytest.raises(PermanentError, match="another address than"):
        session.get(other.url("/page/2"), headers=SECRETS)
    session.close()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://user:canary@127.0.0.1/", "holds a login"),
        ("ftp://127.0.0.1/", "has to start"),
        ("http:///x", "names no host"),
        ("http://127.0.0.1:99999/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_what_it_holds(url: str, what: str) -> None:
    with pytest.raises(PermanentError, match=what) as refused:
        origin_of(url)
    assert "canary" not in str(refused.value)


def test_headers_that_are_not_a_tenants_are_found() -> None:
    refused = ["Host", "metadata-flavor", "X-Forwarded-For", "Proxy-Authorization", "Connection"]
    allowed = ["Authorization", "X-Api-Key", "Accept", "apikey"]
    assert forbidden_headers([*refused, *allowed]) == refused


def test_a_body_that_is_declared_too_large_is_not_read(
    server: Hostile, session: GuardedSession
) -> None:
    def declares(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(5 * 1024**3))
        handler.end_headers()
        handler.wfile.write(b"x" * 100)
        server.stopping.wait(10)

    server.answers["/"] = declares
    with pytest.raises(PermanentError, match="larger than 512 MiB"):
        session.get(server.url("/"))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_is_counted_as_it_unpacks(
    server: Hostile, guard: Guard, lines: Lines, streamed: bool
) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    server.answers["/"] = says(200, bomb, Content_Encoding="gzip")
    with (
        limited(guard, lines, body_bytes=1024**2) as session,
        pytest.raises(PermanentError, match="larger than 1 MiB"),
    ):
        _ = session.get(server.url("/"), stream=streamed).text


def test_a_body_without_an_end_has_one(server: Hostile, guard: Guard, lines: Lines) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.stopping.is_set():
            handler.wfile.write(b"x" * 65_536)

    server.answers["/"] = endless
    with (
        limited(guard, lines, body_bytes=1024**2) as session,
        pytest.raises(PermanentError, match="larger than 1 MiB"),
    ):
        session.get(server.url("/"))


def drips(server: Hostile, head: bytes) -> object:
    """Return an answer that sends its head, and then a byte every tenth of a second."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        while not server.stopping.wait(0.1):
            handler.wfile.write(b"x")

    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        b"",
    ],
    ids=["body", "body of no length", "header", "chunk", "status"],
)
def test_an_answer_that_drips_ends_with_its_time(
    server: Hostile, guard: Guard, lines: Lines, head: bytes
) -> None:
    server.answers["/"] = drips(server, head)
    with (
        limited(guard, lines, answer=timedelta(seconds=0.5)) as session,
        pytest.raises(TransientError, match="did not give all of its answer in time"),
    ):
        session.get(server.url("/"))


def test_a_host_that_is_silent_is_not_waited_for(
    server: Hostile, guard: Guard, lines: Lines
) -> None:
    server.answers["/"] = lambda _handler: server.stopping.wait(10)
    with (
        limited(guard, lines, silence=timedelta(seconds=0.2)) as session,
        pytest.raises(requests.Timeout),
    ):
        session.get(server.url("/"))


def test_a_sync_that_is_not_ours_any_more_is_cut_in_the_middle_of_an_answer(
    server: Hostile, session: GuardedSession, lines: Lines
) -> None:
    server.answers["/"] = lambda _handler: server.stopping.wait(10)
    threading.Timer(0.2, lines.cut).start()
    with pytest.raises(requests.ConnectionError):
        session.get(server.url("/"))


def test_a_short_pause_that_a_host_asks_for_is_waited_for(
    server: Hostile, session: GuardedSession
) -> None:
    def refuses_once(handler: BaseHTTPRequestHandler) -> None:
        first = len(server.heard) == 1
        (says(429, Retry_After="1") if first else says(200, b"ok"))(handler)

    server.answers["/"] = refuses_once
    assert session.get(server.url("/")).text == "ok"
    assert server.heard[1].at - server.heard[0].at >= 0.9


@pytest.mark.parametrize("asked", ["31", "86400", "0", "-1", "soon", None])
def test_any_other_pause_is_the_runs(
    server: Hostile, session: GuardedSession, asked: str | None
) -> None:
    server.answers["/"] = says(429, **({} if asked is None else {"Retry_After": asked}))
    assert session.get(server.url("/")).status_code == 429
    assert len(server.heard) == 1


def test_requests_leave_no_faster_than_allowed(server: Hostile, guard: Guard, lines: Lines) -> None:
    server.answers["/"] = says(200, b"ok")
    with limited(guard, lines, per_second=50) as session:
        for _ in range(20):
            session.get(server.url("/"))
    spent = server.heard[-1].at - server.heard[0].at
    assert spent >= 19 / 50


def test_the_name_is_what_a_certificate_is_checked_against(
    monkeypatch: pytest.MonkeyPatch, guard: Guard, lines: Lines
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("books.example").configure_cert(context)
    asked = answers(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
    with (
        hostile_server(context) as server,
        authority.cert_pem.tempfile() as bundle,
        GuardedSession(guard, lines, origin=None) as session,
    ):
        server.answers["/"] = says(200, b"ok")
        session.verify = bundle
        assert session.get(server.url("/", "books.example")).text == "ok"
        with pytest.raises(requests.exceptions.SSLError):
            session.get(server.url("/", "crooks.example"))
    assert asked.call_count == 2


def test_proxies_and_logins_of_the_machine_are_left_alone(
    server: Hostile, session: GuardedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.answers["/"] = says(200, b"ok")
    assert session.get(server.url("/")).text == "ok"
