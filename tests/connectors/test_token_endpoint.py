"""A token endpoint is asked once, on an encrypted way, and only where connectors may go."""

from ipaddress import IPv4Network

import pytest

from shared.connectors.oauth_client import ClientLogin, OAuthClient
from shared.connectors.token_endpoint import exchange_code, form_of, refresh_tokens
from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard
from shared.errors import PermanentError, SynclineError, TransientError
from tests.authorization_server import authorization_server
from tests.connectors.api.server import says
from tests.connectors.one_answer import one_answer, response
from tests.loopback import LOOPBACK


def client(token_url: str) -> OAuthClient:
    return OAuthClient(
        authorization_url="https://login.example.com/authorize",
        token_url=token_url,
        client_id="syncline",
        client_secret="canary",
    )


def failure(token_url: str, guard: Guard = LOOPBACK) -> SynclineError:
    with pytest.raises(SynclineError) as failed:
        refresh_tokens(guard, client(token_url), "canary")
    assert "canary" not in str(failed.value)
    return failed.value


def test_an_address_that_may_not_be_reached_is_not_asked() -> None:
    with authorization_server() as server:
        assert failure(f"{server.url}/token", Guard()).fault == "address_not_allowed"
        assert failure("http://169.254.169.254/token").fault == "address_not_allowed"
        assert server.asked == []


def test_no_secret_goes_unencrypted_over_public_networks() -> None:
    error = failure(
        "http://93.184.215.14/token", Guard(AddressPolicy((IPv4Network("10.0.0.0/8"),)))
    )
    assert isinstance(error, PermanentError)
    assert error.fault == "tls"


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"canary"]
)
def test_an_answer_that_breaks_off_is_transient(answer: bytes) -> None:
    with one_answer(answer) as port:
        assert isinstance(failure(f"http://127.0.0.1:{port}/token"), TransientError)


def test_a_code_is_sent_once_whatever_becomes_of_it() -> None:
    with authorization_server() as server:
        for fault in (500, 503, 429):
            server.faults.append(says(fault, b"canary", Retry_After="1"))
            with pytest.raises(TransientError):
                exchange_code(
                    LOOPBACK,
                    client(f"{server.url}/token"),
                    code="c",
                    verifier="v" * 43,
                    redirect_uri="http://127.0.0.1:1/",
                )
        assert len(server.asked) == 3


def test_where_nobody_listens_is_told() -> None:
    with one_answer(response("200 OK")) as port:
        url = f"http://127.0.0.1:{port}/token"
        assert isinstance(failure(url), SynclineError)
    assert failure(url).fault == "refused"


def test_id_and_secret_are_encoded_before_they_are_joined() -> None:
    basic = form_of({"a": "b"}, "i:d", "s&c", ClientLogin.BASIC)
    assert (basic["auth"].username, basic["auth"].password) == ("i%3Ad", "s%26c")
    assert basic["data"] == "a=b"
    body = form_of({"a": "b"}, "i:d", "s&c", ClientLogin.BODY)
    assert (body["auth"], body["data"]) == (None, "a=b&client_id=i%3Ad&client_secret=s%26c")
    public = form_of({"a": "b"}, "i:d", None, ClientLogin.BASIC)
    assert (public["auth"], public["data"]) == (None, "a=b&client_id=i%3Ad")
