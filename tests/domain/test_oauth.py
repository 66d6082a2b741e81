"""What an authorization is made of: RFC 7636's own example, and paths that stay with us."""

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.oauth import (
    RESERVED_PARAMETERS,
    authorization_address,
    code_challenge,
    hash_of_state,
    is_issuer,
    is_own_path,
    random_text,
    request_of_state,
)

STATE = random_text(bytes(range(32)))


def test_the_challenge_is_that_of_the_rfcs_example() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_state_has_256_bits_and_one_hash() -> None:
    state_hash = hash_of_state(STATE)
    assert state_hash is not None
    assert len(state_hash) == 32
    assert request_of_state(state_hash) == request_of_state(state_hash)
    assert hash_of_state(STATE[:-1] + "_") != state_hash


@pytest.mark.parametrize("text", ["", STATE[:-1], STATE + "A", STATE[:-1] + "\n", "=" * 43])
def test_what_is_no_state_has_no_hash(text: str) -> None:
    assert hash_of_state(text) is None


def test_the_address_holds_all_that_the_provider_needs_and_extra_parameters_replace_none() -> None:
    address = authorization_address(
        "https://login.example.com/authorize",
        client_id="a&b",
        scope="read all",
        redirect_uri="https://callback.example/x",
        state=STATE,
        verifier="v" * 43,
        extra={"prompt": "consent", "state": "mine"},
    )
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert query == {
        "response_type": "code",
        "client_id": "a&b",
        "scope": "read all",
        "redirect_uri": "https://callback.example/x",
        "state": STATE,
        "code_challenge": code_challenge("v" * 43),
        "code_challenge_method": "S256",
        "prompt": "consent",
    }
    assert set(query) - {"prompt"} <= RESERVED_PARAMETERS


@pytest.mark.parametrize("path", ["/", "/connectors", "/a/b?c=d&e=%20f", "/@me"])
def test_a_path_of_ours_is_one(path: str) -> None:
    assert is_own_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "/a\r\nSet-Cookie: b",
        "/a b",
        "/\t/evil.example",
        "/a#b",
        "javascript:alert(1)",
        "/ø",
    ],
)
def test_what_may_lead_elsewhere_is_none(path: str) -> None:
    assert not is_own_path(path)


@given(st.text(alphabet="/\\:@.?#%\t\n evil", max_size=20))
def test_whatever_is_a_path_of_ours_stays_on_our_site(text: str) -> None:
    if is_own_path(text):
        assert urlsplit(urljoin("https://ours.example/", text)).netloc == "ours.example"


@pytest.mark.parametrize(
    ("given", "expected", "is_right"),
    [
        (None, None, True),
        ("https://login.example.com", None, True),
        ("https://LOGIN.example.com/tenant", None, True),
        ("https://login.example.com:8443", None, False),
        ("http://login.example.com", None, False),
        ("https://[", None, False),
        ("login.example.com", None, False),
        ("https://issuer.example", "https://issuer.example", True),
        ("https://issuer.example/", "https://issuer.example", False),
        (None, "https://issuer.example", False),
    ],
)
def test_an_issuer_is_the_one_that_is_known_or_has_the_origin_of_the_endpoint(
    given: str | None, expected: str | None, is_right: bool
) -> None:
    assert is_issuer(given, expected, "https://login.example.com/authorize") is is_right
