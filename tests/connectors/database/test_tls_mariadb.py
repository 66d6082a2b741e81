"""A connection to MariaDB is encrypted and checked as its connector says."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from shared.errors import PermanentError
from tests.connectors.certificates import Authority, certificate_of, key_of
from tests.connectors.database.encryption import answer, refusal
from tests.connectors.databases import PASSWORD, MariaDb
from tests.connectors.mariadb import INSTALL_HINT, find_mariadbd, run_mariadb

HOST = "127.0.0.1"
CIPHER = (
    "SELECT variable_value FROM information_schema.session_status"
    " WHERE variable_name = 'Ssl_cipher'"
)


@dataclass(frozen=True, slots=True)
class Server:
    """A MariaDB that encrypts, with a certificate that each test chooses."""

    database: MariaDb
    folder: Path
    authority: Authority

    @property
    def url(self) -> str:
        return self.database.url

    def show(self, leaf: trustme.LeafCert) -> None:
        """Let connections from now on meet this certificate."""
        _write(self.folder, leaf)
        self.database.execute("FLUSH SSL")


def _write(folder: Path, leaf: trustme.LeafCert) -> None:
    (folder / "certificate.pem").write_text(certificate_of(leaf))
    (folder / "key.pem").write_text(key_of(leaf))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    program = find_mariadbd()
    if program is None:
        if os.environ.get("SYNCLINE_REQUIRE_MARIADB") == "1":
            pytest.fail(INSTALL_HINT)
        pytest.skip(INSTALL_HINT)
    authority = Authority()
    with tempfile.TemporaryDirectory(prefix="syncline-mariadb-") as name:
        folder = Path(name)
        _write(folder, authority.of_host(HOST))
        (folder / "authority.pem").write_text(authority.pem)
        options = {"ssl-cert": "certificate.pem", "ssl-key": "key.pem", "ssl-ca": "authority.pem"}
        given = [f"--{option}={folder / file}" for option, file in options.items()]
        with run_mariadb(program, folder, *given) as port:
            yield Server(MariaDb(port, "mysql"), folder, authority)


@pytest.fixture(autouse=True)
def good_certificate(server: Server) -> None:
    server.show(server.authority.of_host(HOST))


def _told(url: str, **settings: Any) -> str:
    kind, code, sentence = refusal(url, **settings)
    assert (kind, code) == (PermanentError, "configuration"), sentence
    return sentence


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", None])
def test_a_certificate_of_the_given_authority_for_the_host_is_trusted(
    server: Server, mode: str | None
) -> None:
    assert answer(server.url, CIPHER, tls=mode, tls_ca=server.authority.pem)


def test_another_authority_than_the_given_one_is_not_trusted(server: Server) -> None:
    stranger = Authority()
    for mode in ("verify-full", "verify-ca"):
        told = _told(server.url, tls=mode, tls_ca=stranger.pem)
        assert "certificate that cannot be trusted: give the certificate of the" in told
    assert "cannot be trusted" in _told(server.url, tls="verify-full")
    assert answer(server.url, CIPHER, tls="require")


def test_a_certificate_for_another_host_is_told_and_good_enough_for_verify_ca(
    server: Server,
) -> None:
    server.show(server.authority.of_host("db.example.com"))
    told = _told(server.url, tls="verify-full", tls_ca=server.authority.pem)
    assert "certificate for another host name" in told
    assert answer(server.url, CIPHER, tls="verify-ca", tls_ca=server.authority.pem)


def test_the_name_is_checked_although_the_address_is_connected_to(server: Server) -> None:
    server.show(server.authority.of_host("localhost"))
    asked = {"tls": "verify-full", "tls_ca": server.authority.pem}
    assert answer(server.url, CIPHER, host="localhost", **asked)
    assert "another host name" in _told(server.url, **asked)


def test_an_expired_certificate_is_told(server: Server) -> None:
    server.show(server.authority.expired(HOST))
    told = _told(server.url, tls="verify-ca", tls_ca=server.authority.pem)
    assert "certificate that is not valid now" in told


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_encryption_is_told(mariadb: MariaDb, mode: str) -> None:
    assert "offers no encrypted connection" in _told(mariadb.url, tls=mode)


@pytest.mark.parametrize("mode", ["disable", None])
def test_a_server_without_encryption_is_good_enough_if_none_is_asked_for(
    mariadb: MariaDb, mode: str | None
) -> None:
    assert answer(mariadb.url, CIPHER, tls=mode) == ""


def test_encryption_is_left_out_only_if_that_is_said(server: Server) -> None:
    assert answer(server.url, CIPHER) != ""
    assert answer(server.url, CIPHER, tls="disable") == ""


def test_a_server_that_wants_encryption_refuses_the_login_without(server: Server) -> None:
    with server.database._connect() as opened, opened.cursor() as cursor:
        cursor.execute("SET GLOBAL require_secure_transport = ON")
        try:
            # All that MariaDB says then is that it denies the access; MySQL has an error for it.
            assert refusal(server.url, tls="disable")[1] == "authorization"
            assert answer(server.url, CIPHER, tls="require")
        finally:
            cursor.execute("SET GLOBAL require_secure_transport = OFF")


def test_a_client_shows_its_certificate(server: Server) -> None:
    client = server.authority.of_host("reader")
    mine = {"tls_certificate": certificate_of(client), "tls_key": key_of(client)}
    asked = {"tls": "verify-full", "tls_ca": server.authority.pem}
    server.database.execute(
        f"CREATE OR REPLACE USER 'known'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}' REQUIRE X509"
    )
    url = server.url.replace("reader@", "known@").replace("/mysql", "/information_schema")
    assert answer(url, CIPHER, **asked, **mine)
    assert refusal(url, **asked)[1] == "authorization"
