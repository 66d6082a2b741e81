import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from shared.domain.members import Identity
from shared.egress.guard import Guard
from shared.errors import CredentialsError
from shared.identity.tokens import LEEWAY_SECONDS, LONGEST, TokenVerifier
from tests.issuer import (
    AUDIENCE,
    EMAIL,
    Issuer,
    b64,
    jwk,
    put_together,
    rsa_key,
    running_issuer,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = {"alg": "RS256", "kid": "one", "typ": "JWT"}
SECRET_HEADER = {**HEADER, "alg": "HS256"}


@pytest.fixture
def verifier(issuer: Issuer, guard: Guard) -> TokenVerifier:
    return TokenVerifier([issuer.setting], guard)


def refusal(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(CredentialsError) as refused:
        verifier.verify(token, NOW)
    return str(refused.value)


def test_a_good_token_tells_who_somebody_is(verifier: TokenVerifier, issuer: Issuer) -> None:
    assert verifier.verify(issuer.token(NOW), NOW) == Identity(issuer.url, "carol-1", EMAIL)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", rsa_key("one")),
        ("PS256", rsa_key("one")),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("Ed25519", ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["RS256", "PS256", "ES256", "Ed25519"],
)
def test_a_token_may_be_signed_with_each_of_the_usual_algorithms(
    verifier: TokenVerifier, issuer: Issuer, algorithm: str, key: Any
) -> None:
    issuer.keys["one"] = key
    token = put_together({**HEADER, "alg": algorithm}, issuer.claims(NOW), key)
    assert verifier.verify(token, NOW).subject == "carol-1"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
def test_a_token_may_be_of_each_type_for_access(
    verifier: TokenVerifier, issuer: Issuer, typ: str | None
) -> None:
    header = {name: value for name, value in {**HEADER, "typ": typ}.items() if value is not None}
    token = put_together(header, issuer.claims(NOW), rsa_key("one"))
    assert verifier.verify(token, NOW).subject == "carol-1"


def test_a_token_that_nobody_signed_is_refused(verifier: TokenVerifier, issuer: Issuer) -> None:
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        for key in (None, rsa_key("one")):
            token = put_together({**HEADER, "alg": algorithm}, issuer.claims(NOW), key)
            assert "algorithm" in refusal(verifier, token)
    without = put_together({"kid": "one"}, issuer.claims(NOW), None)
    assert refusal(verifier, without)
    assert "not signed" in refusal(verifier, issuer.token(NOW).rpartition(".")[0] + ".")


def test_a_public_key_is_no_secret_to_sign_with(verifier: TokenVerifier, issuer: Issuer) -> None:
    public = rsa_key("one").public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    modulus = public.public_numbers().n.to_bytes(256, "big")
    for secret in (pem, pem.strip(), modulus, json.dumps(jwk("one", rsa_key("one"))).encode()):
        for algorithm in ("HS256", "HS384", "HS512"):
            header = {**HEADER, "alg": algorithm}
            token = put_together(header, issuer.claims(NOW), secret)
            assert "algorithm" in refusal(verifier, token)


def test_a_secret_that_an_issuer_publishes_signs_nothing(
    verifier: TokenVerifier, issuer: Issuer
) -> None:
    issuer.more_keys.append({"kty": "oct", "k": b64(b"s" * 32), "kid": "secret", "alg": "HS256"})
    for algorithm in ("HS256", "RS256"):
        header = {"alg": algorithm, "kid": "secret"}
        assert refusal(verifier, put_together(header, issuer.claims(NOW), b"s" * 32))


def test_a_key_serves_no_algorithm_of_another_kind_or_that_it_is_not_for(
    verifier: TokenVerifier, issuer: Issuer
) -> None:
    own = rsa_key("one")
    for algorithm in ("ES256", "Ed25519"):
        token = put_together({**HEADER, "alg": algorithm}, issuer.claims(NOW), own)
        assert refusal(verifier, token)
    issuer.keys.clear()
    issuer.more_keys.append(jwk("one", own, alg="PS256"))
    issuer.more_keys.append(jwk("box", own, use="enc"))
    other = TokenVerifier([issuer.setting], verifier._issuers[issuer.url][1]._guard)
    assert "not signed" in refusal(other, put_together(HEADER, issuer.claims(NOW), own))
    assert "does not have" in refusal(
        other, put_together({**HEADER, "kid": "box"}, issuer.claims(NOW), own)
    )


def test_what_else_an_issuer_publishes_is_left_out(verifier: TokenVerifier, issuer: Issuer) -> None:
    weak = jwk("weak", rsa_key("weak", 1024))
    strange = [None, "key", {}, {"kty": "AKP", "kid": "new"}, {"kty": "RSA", "kid": "n"}, weak]
    issuer.more_keys += [*strange, {"kty": "EC", "kid": "e", "crv": "P-256", "x": "!", "y": "!"}]
    assert verifier.verify(issuer.token(NOW), NOW)
    forged = put_together({**HEADER, "kid": "weak"}, issuer.claims(NOW), rsa_key("weak", 1024))
    assert "does not have" in refusal(verifier, forged)


def test_a_token_brings_no_key_of_its_own(verifier: TokenVerifier, issuer: Issuer) -> None:
    with running_issuer() as evil:
        evil.keys = {"one": rsa_key("evil")}
        brought = {
            "jku": f"{evil.url}/keys",
            "x5u": f"{evil.url}/keys",
            "jwk": jwk("one", rsa_key("evil")),
            "x5c": [b64(b"certificate")],
        }
        for name, value in brought.items():
            token = put_together({**HEADER, name: value}, issuer.claims(NOW), rsa_key("evil"))
            assert "not signed" in refusal(verifier, token), name
        assert not evil.asked


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"iss": "https://other.test"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"iss": ["x"]}, "issuer"),
        ({"aud": "another-api"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": AUDIENCE + "-2"}, "audience"),
        ({"aud": {AUDIENCE: 1}}, "audience"),
        ({"aud": [AUDIENCE, "other"]}, "several"),
        ({"aud": [AUDIENCE, "other"], "azp": "other"}, "several"),
        ({"exp": int(NOW.timestamp()) - LEEWAY_SECONDS}, "expired"),
        ({"exp": None}, "valid yet"),
        ({"exp": "tomorrow"}, "valid yet"),
        ({"exp": True}, "valid yet"),
        ({"exp": float("nan")}, "valid yet"),
        ({"iat": None}, "valid yet"),
        ({"iat": int(NOW.timestamp()) + 90}, "valid yet"),
        ({"nbf": int(NOW.timestamp()) + 90}, "valid yet"),
        ({"nbf": "x"}, "valid yet"),
        ({"sub": None}, "whose"),
        ({"sub": ""}, "whose"),
        ({"sub": 7}, "whose"),
        ({"sub": "x" * 256}, "whose"),
        ({"sub": "carol-1\nx"}, "whose"),
        ({"sub": "cårol"}, "whose"),
    ],
)
def test_a_token_is_of_its_issuer_for_us_in_time_and_somebodys(
    verifier: TokenVerifier, issuer: Issuer, changes: dict[str, Any], part: str
) -> None:
    assert part in refusal(verifier, issuer.token(NOW, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE]},
        {"aud": [AUDIENCE, "other"], "azp": AUDIENCE},
        {"aud": [AUDIENCE, "other"], "azp": "syncline-web"},
        {"exp": int(NOW.timestamp()) - LEEWAY_SECONDS + 1},
        {"nbf": int(NOW.timestamp()) + LEEWAY_SECONDS},
        {"iat": int(NOW.timestamp()) - 80_000.5},
    ],
)
def test_clocks_may_differ_a_little_and_audiences_be_several(
    verifier: TokenVerifier, issuer: Issuer, changes: dict[str, Any]
) -> None:
    assert verifier.verify(issuer.token(NOW, **changes), NOW).subject == "carol-1"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"crit": ["exp"], "exp": 1}, "extension"),
        ({"crit": []}, "extension"),
        ({"typ": "logout+jwt"}, "type"),
        ({"typ": ["JWT"]}, "type"),
        ({"kid": ""}, "kid"),
        ({"kid": 1}, "kid"),
        ({"kid": "k" * 256}, "kid"),
        ({"kid": "nonsense"}, "does not have"),
        ({"alg": ["RS256"]}, "algorithm"),
        ({"alg": "RS1"}, "algorithm"),
    ],
)
def test_a_header_says_what_it_has_to_and_demands_nothing(
    verifier: TokenVerifier, issuer: Issuer, change: dict[str, Any], part: str
) -> None:
    token = put_together({**HEADER, **change}, issuer.claims(NOW), rsa_key("one"))
    assert part in refusal(verifier, token)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda _: "",
        lambda _: "x",
        lambda _: "a.b.c",
        lambda _: "..",
        lambda token: f"{token}.{token}",
        lambda token: f"{token}=",
        lambda token: token.replace(".", " "),
        lambda token: token + "A" * LONGEST,
        lambda token: f"ü{token}",
        lambda _: put_together("alg", {}, None),
        lambda _: put_together(["alg"], {}, None),
        lambda _: put_together(7, {}, None),
        lambda _: put_together(HEADER, ["iss"], rsa_key("one")),
        lambda _: put_together(HEADER, "iss", rsa_key("one")),
        lambda _: f"{b64(json.dumps(HEADER).encode())}.{b64(b'[' * 4_000)}.AAAA",
        lambda _: f"{b64(b'[' * 4_000)}.{b64(b'{}')}.AAAA",
        lambda _: f"{b64(bytes([255, 254]))}.{b64(b'{}')}.AAAA",
    ],
)
def test_what_is_no_token_is_refused(
    verifier: TokenVerifier, issuer: Issuer, mangle: Callable[[str], str]
) -> None:
    assert refusal(verifier, mangle(issuer.token(NOW)))


def test_a_token_that_was_changed_after_it_was_signed_is_refused(
    verifier: TokenVerifier, issuer: Issuer
) -> None:
    header, _, signed = issuer.token(NOW).split(".")
    claims = b64(json.dumps(issuer.claims(NOW, sub="mallory")).encode())
    assert "not signed" in refusal(verifier, f"{header}.{claims}.{signed}")


@pytest.mark.parametrize("verified", [None, False, "true", 1, "false"])
def test_an_address_that_its_issuer_did_not_verify_is_none(
    verifier: TokenVerifier, issuer: Issuer, verified: object
) -> None:
    token = issuer.token(NOW, email_verified=verified)
    assert verifier.verify(token, NOW) == Identity(issuer.url, "carol-1", None)


@pytest.mark.parametrize(
    ("email", "known"),
    [
        ("Carol@Example.COM", EMAIL),
        ("\u212aarol@example.com", None),
        ("carol@example.com\nmallory", None),
        (["carol@example.com"], None),
        ("carol", None),
        ("x" * 300 + "@example.com", None),
    ],
)
def test_an_address_is_compared_in_lower_case_and_only_in_ascii(
    verifier: TokenVerifier, issuer: Issuer, email: object, known: str | None
) -> None:
    assert verifier.verify(issuer.token(NOW, email=email), NOW).email == known


def test_one_issuer_does_not_speak_for_another(guard: Guard, issuer: Issuer) -> None:
    with running_issuer() as other:
        other.keys = {"one": rsa_key("other")}
        verifier = TokenVerifier([issuer.setting, other.setting], guard)
        forged = put_together(HEADER, issuer.claims(NOW), rsa_key("other"))
        assert "not signed" in refusal(verifier, forged)
        assert verifier.verify(other.token(NOW), NOW).issuer == other.url


def test_a_refusal_has_nothing_of_the_token(verifier: TokenVerifier, issuer: Issuer) -> None:
    canary = "canary-of-a-claim"
    later = int((NOW + timedelta(days=1)).timestamp())
    for changes in ({"aud": canary}, {"iss": canary}, {"sub": canary * 20}, {"nbf": later}):
        assert "canary" not in refusal(verifier, issuer.token(NOW, jti=canary, **changes))
    for change in ({"alg": canary}, {"typ": canary}, {"kid": canary}, {"crit": [canary]}):
        token = put_together({**HEADER, **change}, issuer.claims(NOW), rsa_key("one"))
        assert "canary" not in refusal(verifier, token)
