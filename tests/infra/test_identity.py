import json
import stat
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth import exceptions, jwt
from google.oauth2 import id_token

from infra.local.identity import LocalSigner
from shared.clock import utc_now
from shared.errors import ConfigurationError

EMAIL = "tasks@demo.iam.gserviceaccount.com"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


class CertsResponse:
    status = 200

    def __init__(self, certs: Mapping[str, str]) -> None:
        self.data = json.dumps(certs).encode()


@pytest.fixture
def signer(tmp_path: Path) -> LocalSigner:
    return LocalSigner.load_or_create(tmp_path / "key.pem")


def verify(signer: LocalSigner, token: str, audience: str) -> Mapping[str, Any]:
    def certs(*args: object, **kwargs: object) -> CertsResponse:
        return CertsResponse(signer.certs())

    return id_token.verify_token(token, certs, audience=audience, certs_url="http://local/certs")


def test_googles_own_verifier_accepts_a_token(signer: LocalSigner) -> None:
    claims = verify(signer, signer.token(EMAIL, "https://worker", utc_now()), "https://worker")
    assert claims["iss"] == "https://accounts.google.com"
    assert (claims["email"], claims["email_verified"]) == (EMAIL, True)
    assert claims["exp"] - claims["iat"] == 3600


def test_a_token_is_refused_for_another_audience(signer: LocalSigner) -> None:
    token = signer.token(EMAIL, "https://worker", utc_now())
    with pytest.raises(exceptions.InvalidValue):
        verify(signer, token, "https://dispatcher")


def test_a_token_is_refused_after_its_hour(signer: LocalSigner) -> None:
    token = signer.token(EMAIL, "https://worker", utc_now() - timedelta(hours=2))
    with pytest.raises(exceptions.InvalidValue):
        verify(signer, token, "https://worker")


def test_a_token_of_another_key_is_refused(signer: LocalSigner, tmp_path: Path) -> None:
    stranger = LocalSigner.load_or_create(tmp_path / "stranger.pem")
    token = stranger.token(EMAIL, "https://worker", utc_now())
    with pytest.raises(exceptions.GoogleAuthError):
        verify(signer, token, "https://worker")


def test_a_token_names_the_key_that_signed_it(signer: LocalSigner) -> None:
    header = jwt.decode_header(signer.token(EMAIL, "https://worker", NOW))
    assert (header["alg"], header["kid"]) == ("RS256", next(iter(signer.certs())))


def test_a_token_is_used_again_until_it_nears_its_end(signer: LocalSigner) -> None:
    first = signer.token(EMAIL, "https://worker", NOW)
    assert signer.token(EMAIL, "https://worker", NOW + timedelta(minutes=54)) == first
    assert signer.token(EMAIL, "https://worker", NOW + timedelta(minutes=55)) != first


def test_a_token_from_the_future_is_not_used(signer: LocalSigner) -> None:
    later = signer.token(EMAIL, "https://worker", NOW)
    assert signer.token(EMAIL, "https://worker", NOW - timedelta(seconds=1)) != later


def test_accounts_and_audiences_have_tokens_of_their_own(signer: LocalSigner) -> None:
    tokens = {signer.token(email, audience, NOW) for email in "ab" for audience in "cd"}
    assert len(tokens) == 4


def test_the_cache_of_tokens_is_bounded(
    signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.identity._MAX_CACHED", 3)
    for number in range(10):
        signer.token(EMAIL, f"https://worker/{number}", NOW)
    assert len(signer._issued) <= 3


def test_the_key_is_read_again_and_only_its_owner_may(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key.pem"
    first = LocalSigner.load_or_create(path)
    assert LocalSigner.load_or_create(path).certs() == first.certs()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_together_end_with_one_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    code = (
        "import pathlib, sys; from infra.local.identity import LocalSigner; "
        "print(*LocalSigner.load_or_create(pathlib.Path(sys.argv[1])).certs())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert len({process.communicate()[0] for process in started}) == 1


@pytest.mark.parametrize("content", ["", "not a key", "-----BEGIN CERTIFICATE-----\nx"])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"key\.pem does not hold a private key"):
        LocalSigner.load_or_create(path)
