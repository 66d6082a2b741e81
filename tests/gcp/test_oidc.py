"""Who gets in: the matrix of tokens, and the public keys that tell them apart."""

import base64
import json
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from google.auth import jwt

from infra.local.identity import ISSUER, LocalSigner
from shared.clock import utc_now
from shared.errors import TransientError, UnauthenticatedError
from shared.gcp import oidc
from shared.gcp.oidc import CallerVerifier, callers_of_dispatcher, callers_of_worker
from tests.gcp.certs_server import CertsServer, serving_certs
from tests.settings import make_settings

AUDIENCE = "https://worker.test/"
ACCOUNT = "tasks@test.iam.gserviceaccount.com"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> LocalSigner:
    return LocalSigner.load_or_create(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture
def certs(signer: LocalSigner) -> Iterator[CertsServer]:
    with serving_certs(signer.certs()) as served:
        yield served


@pytest.fixture
def verifier(certs: CertsServer) -> CallerVerifier:
    return CallerVerifier(audience=AUDIENCE, service_account=ACCOUNT, certs_url=certs.url)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a right token, apart from what is `changed`; None leaves one out."""
    issued_at = int(utc_now().timestamp())
    right = {
        "iss": ISSUER,
        "sub": "1",
        "aud": AUDIENCE,
        "email": ACCOUNT,
        "email_verified": True,
        "iat": issued_at,
        "exp": issued_at + 3600,
    }
    return {name: value for name, value in {**right, **changed}.items() if value is not None}


def signed(signer: LocalSigner, **changed: Any) -> str:
    return jwt.encode(signer._signer, claims(**changed)).decode()


def refusal(verifier: CallerVerifier, token: str) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        verifier.verify(f"Bearer {token}")
    assert token not in str(refused.value)
    return str(refused.value)


def test_the_right_token_is_accepted(verifier: CallerVerifier, signer: LocalSigner) -> None:
    token = signer.token(ACCOUNT, AUDIENCE, utc_now())
    assert verifier.verify(f"Bearer {token}") == ACCOUNT
    assert verifier.verify(f"bearer  {token} ") == ACCOUNT


@pytest.mark.parametrize("header", ["", "Bearer", "Basic dXNlcjpwYXNz", "Token x", "  "])
def test_a_call_without_a_bearer_token_is_refused_before_keys_are_fetched(
    verifier: CallerVerifier, certs: CertsServer, header: str
) -> None:
    with pytest.raises(UnauthenticatedError, match="no bearer token"):
        verifier.verify(header)
    assert certs.requests == 0


@pytest.mark.parametrize(
    "token",
    [
        "",
        "garbage",
        "a.b.c",
        "....",
        "\N{SNOWMAN}.\N{SNOWMAN}.\N{SNOWMAN}",
        f"{segment([])}.{segment({})}.x",
        f"{segment({'alg': 'RS256'})}.{segment([])}.{segment('')}",
        f"{segment({'alg': ['RS256']})}.{segment({})}.",
        f"{segment({'alg': 'RS256', 'kid': ['x']})}.{segment({})}.",
        f"{segment({'alg': 'RS256', 'kid': 'unknown'})}.{segment({})}.",
        base64.urlsafe_b64encode(b"[" * 30_000).decode() + ".e30.",
    ],
    ids=range(11),
)
def test_garbage_is_refused(verifier: CallerVerifier, token: str) -> None:
    with pytest.raises(UnauthenticatedError, match=r"^the token is not valid: \w+$"):
        verifier.verify(f"Bearer {token}")


def test_a_token_for_another_audience_is_refused(
    verifier: CallerVerifier, signer: LocalSigner
) -> None:
    token = signer.token(ACCOUNT, "https://dispatcher.test/", utc_now())
    assert refusal(verifier, token) == "the token is not valid: InvalidValue"


@pytest.mark.parametrize("audience", [None, "", AUDIENCE.rstrip("/")])
def test_a_token_without_this_very_audience_is_refused(
    verifier: CallerVerifier, signer: LocalSigner, audience: str | None
) -> None:
    assert "not valid" in refusal(verifier, signed(signer, aud=audience))


@pytest.mark.parametrize("email", ["other@test.iam.gserviceaccount.com", ACCOUNT.upper(), None])
def test_a_token_of_another_service_account_is_refused(
    verifier: CallerVerifier, signer: LocalSigner, email: str | None
) -> None:
    token = signed(signer, email=email)
    assert refusal(verifier, token) == "the token belongs to another service account"


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_a_token_whose_email_is_not_verified_is_refused(
    verifier: CallerVerifier, signer: LocalSigner, verified: object
) -> None:
    token = signed(signer, email_verified=verified)
    assert refusal(verifier, token) == "the token's e-mail is not verified"


@pytest.mark.parametrize("issuer", ["https://accounts.evil.test", f"{ISSUER}/", None])
def test_a_token_of_another_issuer_is_refused(
    verifier: CallerVerifier, signer: LocalSigner, issuer: str | None
) -> None:
    assert refusal(verifier, signed(signer, iss=issuer)) == "the token has another issuer"


def test_an_expired_token_is_refused_after_ten_seconds_of_grace(
    verifier: CallerVerifier, signer: LocalSigner
) -> None:
    now = int(utc_now().timestamp())
    assert "not valid" in refusal(verifier, signed(signer, iat=now - 3600, exp=now - 60))
    just_over = signed(signer, iat=now - 3600, exp=now - 1)
    assert verifier.verify(f"Bearer {just_over}") == ACCOUNT


def test_a_token_from_the_future_is_refused(verifier: CallerVerifier, signer: LocalSigner) -> None:
    token = signer.token(ACCOUNT, AUDIENCE, utc_now() + HOUR)
    assert "not valid" in refusal(verifier, token)


@pytest.mark.parametrize("algorithm", ["none", "None", "", None])
def test_an_unsigned_token_is_refused(verifier: CallerVerifier, algorithm: str | None) -> None:
    token = f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(claims())}."
    assert "not valid" in refusal(verifier, token)


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(
    verifier: CallerVerifier, signer: LocalSigner
) -> None:
    for key_id, pem in signer.certs().items():
        public = x509.load_pem_x509_certificate(pem.encode()).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        for secret in (pem.encode(), public.public_bytes(serialization.Encoding.PEM, form)):
            head = segment({"alg": "HS256", "typ": "JWT", "kid": key_id})
            body = f"{head}.{segment(claims())}"
            mac = hmac.HMAC(secret, hashes.SHA256())
            mac.update(body.encode())
            signature = base64.urlsafe_b64encode(mac.finalize()).decode()
            assert "not valid" in refusal(verifier, f"{body}.{signature}")


def test_a_right_token_under_another_algorithm_is_refused(
    verifier: CallerVerifier, signer: LocalSigner
) -> None:
    _, body, signature = signed(signer).split(".")
    head = segment({"alg": "ES256", "kid": next(iter(signer.certs()))})
    assert "not valid" in refusal(verifier, f"{head}.{body}.{signature}")


def test_a_changed_claim_breaks_the_signature(
    verifier: CallerVerifier, signer: LocalSigner
) -> None:
    head, _, signature = signed(signer, email="other@test").split(".")
    assert "not valid" in refusal(verifier, f"{head}.{segment(claims())}.{signature}")


def test_a_token_signed_with_a_strangers_key_is_refused(
    verifier: CallerVerifier, tmp_path: Path
) -> None:
    stranger = LocalSigner.load_or_create(tmp_path / "stranger.pem")
    assert "not valid" in refusal(verifier, stranger.token(ACCOUNT, AUDIENCE, utc_now()))


def test_a_token_of_one_function_does_not_open_the_other(
    certs: CertsServer, signer: LocalSigner
) -> None:
    settings = make_settings(SYNCLINE_OIDC_CERTS_URL=certs.url)
    now = utc_now()
    tick = signer.token(settings.scheduler_service_account, settings.dispatcher_url, now)
    task = signer.token(settings.tasks_service_account, settings.worker_url, now)
    dispatcher, worker = callers_of_dispatcher(settings), callers_of_worker(settings)
    assert dispatcher.verify(f"Bearer {tick}") == settings.scheduler_service_account
    assert worker.verify(f"Bearer {task}") == settings.tasks_service_account
    refusal(dispatcher, task)
    refusal(worker, tick)


def test_the_keys_are_fetched_once_and_remembered(
    verifier: CallerVerifier, certs: CertsServer, signer: LocalSigner
) -> None:
    for _ in range(5):
        verifier.verify(f"Bearer {signed(signer)}")
        refusal(verifier, "garbage")
    assert certs.requests == 1


def test_the_keys_are_fetched_again_after_five_minutes(
    verifier: CallerVerifier,
    certs: CertsServer,
    signer: LocalSigner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(oidc, "monotonic", lambda: clock[0])
    header = f"Bearer {signed(signer)}"
    for seconds, asked in ((0, 1), (299, 1), (1, 2), (299, 2)):
        clock[0] += seconds
        verifier.verify(header)
        assert certs.requests == asked


def test_remembered_keys_serve_for_another_hour_while_new_ones_cannot_be_had(
    verifier: CallerVerifier,
    certs: CertsServer,
    signer: LocalSigner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(oidc, "monotonic", lambda: clock[0])
    header = f"Bearer {signed(signer)}"
    verifier.verify(header)
    certs.status = 503
    clock[0] += 300 + 3_599
    assert verifier.verify(header) == ACCOUNT
    clock[0] += 1
    with pytest.raises(TransientError):
        verifier.verify(header)


def leaks(error: BaseException, token: str) -> bool:
    return token in "".join(traceback.format_exception(error))


def test_keys_that_cannot_be_fetched_are_not_the_callers_fault(
    certs: CertsServer, verifier: CallerVerifier, signer: LocalSigner
) -> None:
    token = signed(signer)
    certs.status = 503
    with pytest.raises(TransientError, match="cannot be fetched") as failed:
        verifier.verify(f"Bearer {token}")
    assert not leaks(failed.value, token)
    certs.status = 200
    assert verifier.verify(f"Bearer {token}") == ACCOUNT


def test_an_unreachable_key_server_is_not_the_callers_fault(signer: LocalSigner) -> None:
    with serving_certs({}) as gone:
        pass
    verifier = CallerVerifier(audience=AUDIENCE, service_account=ACCOUNT, certs_url=gone.url)
    token = signed(signer)
    with pytest.raises(TransientError, match="cannot be fetched") as failed:
        verifier.verify(f"Bearer {token}")
    assert not leaks(failed.value, token)


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"{}", b'{"keys": []}', b"\xff\xfe"])
def test_an_answer_that_holds_no_keys_is_not_remembered(
    certs: CertsServer, verifier: CallerVerifier, signer: LocalSigner, body: bytes
) -> None:
    right, certs.body = certs.body, body
    with pytest.raises(TransientError):
        verifier.verify(f"Bearer {signed(signer)}")
    certs.body = right
    assert verifier.verify(f"Bearer {signed(signer)}") == ACCOUNT
