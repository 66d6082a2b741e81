"""A connection to SQL Server is encrypted and checked as its connector says."""

import pytest
import trustme

from shared.errors import PermanentError
from tests.connectors.certificates import Authority, server_context
from tests.connectors.database.encryption import answer, refusal
from tests.connectors.database.sqlserver.server.running import SqlServer

HOST = "127.0.0.1"
LOGIN_ONLY, NOT_SUPPORTED = 0, 2


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def safe_server(sql_server: SqlServer, authority: Authority) -> SqlServer:
    """Return a server with a certificate for its address."""
    _show(sql_server, authority.of_host(HOST))
    return sql_server


def _show(server: SqlServer, leaf: trustme.LeafCert) -> None:
    server.context = server_context(leaf)


def _told(url: str, **settings: object) -> str:
    kind, code, sentence = refusal(url, **settings)
    assert (kind, code) == (PermanentError, "configuration"), sentence
    return sentence


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", None])
def test_a_certificate_of_the_given_authority_for_the_host_is_trusted(
    safe_server: SqlServer, authority: Authority, mode: str | None
) -> None:
    assert answer(safe_server.url, "SELECT 1", tls=mode, tls_ca=authority.pem) == 1
    assert safe_server.encrypted == 1


def test_what_is_longer_than_a_record_and_a_packet_goes_through_it(safe_server: SqlServer) -> None:
    safe_server.execute("CREATE TABLE orders (name nvarchar(max))")
    safe_server.store.duck("INSERT INTO orders VALUES (repeat('é', 200000))")
    assert answer(safe_server.url, "SELECT name FROM orders", tls="require") == "é" * 200_000
    long = f"SELECT 1 AS n -- {'x' * 40_000}"
    assert answer(safe_server.url, long, tls="require") == 1


def test_another_authority_than_the_given_one_is_not_trusted(safe_server: SqlServer) -> None:
    stranger = Authority()
    for mode in ("verify-full", "verify-ca"):
        told = _told(safe_server.url, tls=mode, tls_ca=stranger.pem)
        assert "certificate that cannot be trusted: give the certificate of the" in told
    assert "cannot be trusted" in _told(safe_server.url, tls="verify-full")
    assert safe_server.logins == []
    assert answer(safe_server.url, "SELECT 1", tls="require") == 1


def test_a_certificate_for_another_host_is_told_and_good_enough_for_verify_ca(
    sql_server: SqlServer, authority: Authority
) -> None:
    _show(sql_server, authority.of_host("db.example.com"))
    told = _told(sql_server.url, tls="verify-full", tls_ca=authority.pem)
    assert "certificate for another host name" in told
    assert sql_server.logins == []
    assert answer(sql_server.url, "SELECT 1", tls="verify-ca", tls_ca=authority.pem) == 1


def test_the_name_is_checked_although_the_address_is_connected_to(
    sql_server: SqlServer, authority: Authority
) -> None:
    _show(sql_server, authority.of_host("localhost"))
    asked = {"tls": "verify-full", "tls_ca": authority.pem}
    assert answer(sql_server.url, "SELECT 1", host="localhost", **asked) == 1
    assert "another host name" in _told(sql_server.url, **asked)


def test_an_expired_certificate_is_told(sql_server: SqlServer, authority: Authority) -> None:
    _show(sql_server, authority.expired(HOST))
    told = _told(sql_server.url, tls="verify-ca", tls_ca=authority.pem)
    assert "certificate that is not valid now" in told


@pytest.mark.parametrize("mode", ["require", "verify-full", None])
def test_a_server_without_encryption_is_told_and_gets_no_password(
    sql_server: SqlServer, mode: str | None
) -> None:
    sql_server.context = None
    assert "offers no encrypted connection" in _told(sql_server.url, tls=mode)
    assert sql_server.logins == []


def test_a_server_without_encryption_is_good_enough_if_that_is_said(sql_server: SqlServer) -> None:
    sql_server.context = None
    assert answer(sql_server.url, "SELECT 1", tls="disable") == 1


def test_encryption_is_left_out_only_if_that_is_said(safe_server: SqlServer) -> None:
    assert answer(safe_server.url, "SELECT 1") == 1
    assert safe_server.encrypted == 1
    assert answer(safe_server.url, "SELECT 1", tls="disable") == 1
    assert safe_server.encrypted == 1


def test_a_server_that_wants_encryption_is_told_of_it(safe_server: SqlServer) -> None:
    safe_server.requires_tls = True
    assert "takes encrypted connections only" in _told(safe_server.url, tls="disable")
    assert safe_server.logins == []
    assert answer(safe_server.url, "SELECT 1") == 1


@pytest.mark.parametrize("mode", ["require", "verify-full", "disable", None])
def test_encryption_of_the_login_alone_is_refused(safe_server: SqlServer, mode: str | None) -> None:
    safe_server.faults.encryption = LOGIN_ONLY
    assert "would encrypt the login alone" in _told(safe_server.url, tls=mode)
    assert safe_server.logins == []
