import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from google.auth import jwt
from google.cloud.tasks_v2 import OidcToken

from infra.local.emulator.outgoing import (
    NoAnswerError,
    OutgoingRequest,
    ReservedHeaders,
    answer_to,
    with_token,
)
from infra.local.identity import LocalSigner
from tests.infra.cloud_scheduler.recorder import Recorder, recording

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
URL = "http://worker/run"
EMAIL = "tasks@demo.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> LocalSigner:
    return LocalSigner.load_or_create(Path(tmp_path_factory.mktemp("key")) / "key.pem")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


def answer(url: str, deadline: timedelta = timedelta(seconds=20), *, follow: bool = False) -> int:
    async def send() -> int:
        async with aiohttp.ClientSession() as session:
            request = OutgoingRequest("POST", url, {}, b"", deadline)
            return await answer_to(request, session, follow_redirects=follow)

    return asyncio.run(send())


@pytest.mark.parametrize("name", ["Host", "HOST", "X-Google-Secret", "x-google-"])
def test_reserved_headers_are_left_out_in_any_case(name: str) -> None:
    reserved = ReservedHeaders(frozenset({"host"}), ("x-google-",))
    assert reserved.without({name: "forged", "X-Own": "kept"}) == {"X-Own": "kept"}


def test_a_token_is_for_the_url_unless_an_audience_is_named(signer: LocalSigner) -> None:
    for audience, expected in (("", URL), ("https://worker", "https://worker")):
        oidc = OidcToken.pb()(service_account_email=EMAIL, audience=audience)
        token = with_token({}, oidc, URL, signer, NOW)["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, verify=False)
        assert (claims["aud"], claims["email"]) == (expected, EMAIL)


def test_a_token_takes_the_place_of_any_other_authorization(signer: LocalSigner) -> None:
    oidc = OidcToken.pb()(service_account_email=EMAIL)
    headers = with_token({"authorization": "Basic x", "X-Own": "a"}, oidc, URL, signer, NOW)
    assert headers.keys() == {"X-Own", "Authorization"}


@pytest.mark.parametrize(("follow", "status"), [(False, 307), (True, 200)])
def test_a_redirect_is_followed_if_the_service_does(
    recorder: Recorder, *, follow: bool, status: int
) -> None:
    recorder.answer([307, 200])
    assert answer(recorder.url, follow=follow) == status


def test_no_answer_before_the_deadline_is_a_timeout(recorder: Recorder) -> None:
    recorder.hold()
    with pytest.raises(TimeoutError):
        answer(recorder.url, timedelta(milliseconds=200))


def test_nobody_there_is_no_answer() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswerError):
            answer(f"http://127.0.0.1:{bound.getsockname()[1]}/")


def test_a_url_that_cannot_be_called_is_no_answer() -> None:
    with pytest.raises(NoAnswerError):
        answer("http://host:port/")
