"""What a connector says about encryption is checked when it is stored, and decides later."""

from ipaddress import ip_address
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.tls import Tls, TlsMode
from shared.connectors.secrets import join_secrets, split_secrets
from tests.connectors.certificates import Authority, certificate_of, key_of
from tests.connectors.databases import orders

URL = "postgresql://u@h/d"
AUTHORITY = Authority()
LEAF = AUTHORITY.of_host("reader")
CERTIFICATE, KEY = certificate_of(LEAF), key_of(LEAF)
PUBLIC, PRIVATE = ip_address("93.184.216.34"), ip_address("10.1.2.3")


def _locked(key: str) -> str:
    private = load_pem_private_key(key.encode(), None)
    locked = BestAvailableEncryption(b"passphrase")
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()


def _refusal(url: str = URL, **tls: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        DatabaseConfig.model_validate(orders(url) | tls)
    told = str(refused.value)
    assert KEY.splitlines()[1] not in told
    return told


def test_certificates_and_key_are_kept_as_they_were_given() -> None:
    config = DatabaseConfig.model_validate(
        orders(URL)
        | {"tls": "verify-full", "tls_ca": AUTHORITY.pem}
        | {"tls_certificate": CERTIFICATE, "tls_key": KEY}
    )
    plain, secrets = split_secrets(config)
    assert list(secrets.values()) == [KEY]
    assert join_secrets(DatabaseConfig, plain, secrets) == config
    assert config.tls_options() == Tls(TlsMode.VERIFY_FULL, AUTHORITY.pem, CERTIFICATE, KEY)
    assert KEY not in f"{config!r} {config.tls_options()!r} {config.model_dump_json()}"


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ({"tls": "prefer"}, "'disable', 'require', 'verify-ca' or 'verify-full'"),
        ({"tls_ca": "nonsense"}, "no certificate in PEM, which begins with -----BEGIN CERT"),
        ({"tls_ca": ""}, "at least 1 character"),
        ({"tls_ca": CERTIFICATE.replace("M", "N")}, "no certificate in PEM"),
        ({"tls_ca": "x" * 300_000}, "at most 262144 characters"),
        ({"tls_ca": KEY}, "belongs into tls_key alone"),
        ({"tls_certificate": CERTIFICATE + KEY, "tls_key": KEY}, "belongs into tls_key alone"),
        ({"tls_certificate": CERTIFICATE}, "belong together"),
        ({"tls_key": KEY}, "belong together"),
        ({"tls_certificate": CERTIFICATE, "tls_key": "nonsense"}, "no private key in PEM"),
        ({"tls_certificate": CERTIFICATE, "tls_key": _locked(KEY)}, "locked with a passphrase"),
        (
            {"tls_certificate": CERTIFICATE, "tls_key": key_of(AUTHORITY.of_host("other"))},
            "not the key of the first certificate",
        ),
        (
            {"tls": "disable", "tls_certificate": CERTIFICATE, "tls_key": KEY},
            "leave out tls_certificate",
        ),
        ({"tls": "disable", "tls_ca": AUTHORITY.pem}, "leave out tls_ca"),
        ({"tls": "require", "tls_ca": AUTHORITY.pem}, "choose verify-full"),
        ({"tls": "verify-ca"}, "needs tls_ca"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(tls: dict[str, Any], words: str) -> None:
    assert words in _refusal(**tls)


def test_a_file_has_no_encryption() -> None:
    for settings in ({"tls": "require"}, {"tls_ca": AUTHORITY.pem}, {"password": "secret"}):
        assert "a file has no login and no encryption" in _refusal("sqlite:///a.db", **settings)


@pytest.mark.parametrize("mode", list(TlsMode))
def test_the_mode_in_a_url_of_libpq_moves_into_its_field(mode: TlsMode) -> None:
    if mode is TlsMode.VERIFY_CA:
        assert "needs tls_ca" in _refusal(f"{URL}?sslmode={mode}")
        return
    for given in ({}, {"tls": None}, {"tls": mode}):
        config = DatabaseConfig.model_validate(orders(f"{URL}?sslmode={mode}") | given)
        assert (config.tls, config.url) == (mode, "postgresql+psycopg2://u@h/d")


def test_two_modes_that_differ_are_refused() -> None:
    told = _refusal(f"{URL}?sslmode=disable", tls="verify-full")
    assert "the field tls says otherwise than the URL's sslmode" in told


@pytest.mark.parametrize(
    ("tls", "addresses", "mode"),
    [
        (Tls(), [PUBLIC], TlsMode.VERIFY_FULL),
        (Tls(), [PRIVATE, PUBLIC], TlsMode.VERIFY_FULL),
        (Tls(), [PRIVATE], None),
        (Tls(authority=AUTHORITY.pem), [PRIVATE], TlsMode.VERIFY_FULL),
        (Tls(certificate=CERTIFICATE, key=KEY), [PRIVATE], TlsMode.VERIFY_FULL),
        (Tls(TlsMode.DISABLE), [PUBLIC], TlsMode.DISABLE),
        (Tls(TlsMode.REQUIRE), [PUBLIC], TlsMode.REQUIRE),
    ],
)
def test_a_connection_over_public_networks_is_checked_unless_someone_says_otherwise(
    tls: Tls, addresses: list[Any], mode: TlsMode | None
) -> None:
    assert tls.mode_for(addresses) == mode


def test_where_a_server_sends_a_connection_no_less_is_asked_than_of_that_server() -> None:
    sent_on = Tls().sent_on_from(PRIVATE).sent_on_from(PUBLIC).sent_on_from(PRIVATE)
    assert sent_on.mode_for([PRIVATE]) is TlsMode.VERIFY_FULL
    assert Tls().sent_on_from(PRIVATE) == Tls()
    assert Tls(TlsMode.REQUIRE).sent_on_from(PUBLIC) == Tls(TlsMode.REQUIRE)
