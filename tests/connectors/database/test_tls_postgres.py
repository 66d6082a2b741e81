"""A connection to PostgreSQL is encrypted and checked as its connector says."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import make_url

from shared.connectors.database import tls_drivers
from shared.errors import PermanentError
from tests.connectors.certificates import Authority, certificate_of, key_of, server_context
from tests.connectors.database.encryption import answer, refusal
from tests.connectors.databases import Postgres
from tests.connectors.tls_front import Front, running_front

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def stranger() -> Authority:
    return Authority()


@contextmanager
def _front(
    source: Postgres, leaf: trustme.LeafCert, clients: Authority | None = None
) -> Generator[Front]:
    port = make_url(source.url).port
    assert port is not None
    with running_front(port, server_context(leaf, clients)) as front:
        yield front


def _told(url: str, **settings: Any) -> str:
    kind, code, sentence = refusal(url, **settings)
    assert (kind, code) == (PermanentError, "configuration"), sentence
    return sentence


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", None])
def test_a_certificate_of_the_given_authority_for_the_host_is_trusted(
    source: Postgres, authority: Authority, mode: str | None
) -> None:
    with _front(source, authority.of_host(HOST)) as front:
        asked = {"port": front.port, "tls": mode, "tls_ca": authority.pem}
        assert answer(source.url, "SELECT 1", **asked) == 1
        assert front.encrypted == 1


def test_another_authority_than_the_given_one_is_not_trusted(
    source: Postgres, authority: Authority, stranger: Authority
) -> None:
    with _front(source, stranger.of_host(HOST)) as front:
        for mode in ("verify-full", "verify-ca"):
            told = _told(source.url, port=front.port, tls=mode, tls_ca=authority.pem)
            assert "certificate that cannot be trusted: give the certificate of the" in told
        assert "cannot be trusted" in _told(source.url, port=front.port, tls="verify-full")
        assert answer(source.url, "SELECT 1", port=front.port, tls="require") == 1


def test_a_certificate_for_another_host_is_told_and_good_enough_for_verify_ca(
    source: Postgres, authority: Authority
) -> None:
    with _front(source, authority.of_host("db.example.com")) as front:
        told = _told(source.url, port=front.port, tls="verify-full", tls_ca=authority.pem)
        assert "certificate for another host name" in told
        asked = {"port": front.port, "tls": "verify-ca", "tls_ca": authority.pem}
        assert answer(source.url, "SELECT 1", **asked) == 1


def test_the_name_is_checked_although_the_address_is_connected_to(
    source: Postgres, authority: Authority
) -> None:
    with _front(source, authority.of_host("localhost")) as front:
        asked = {"port": front.port, "tls": "verify-full", "tls_ca": authority.pem}
        assert answer(source.url, "SELECT 1", host="localhost", **asked) == 1
        assert "another host name" in _told(source.url, **asked)


def test_an_expired_certificate_is_not_trusted(source: Postgres, authority: Authority) -> None:
    with _front(source, authority.expired(HOST)) as front:
        told = _told(source.url, port=front.port, tls="verify-full", tls_ca=authority.pem)
        assert "see whether it has expired" in told


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_encryption_is_told(source: Postgres, mode: str) -> None:
    assert "offers no encrypted connection" in _told(source.url, tls=mode)


@pytest.mark.parametrize("mode", ["disable", None])
def test_a_server_without_encryption_is_good_enough_if_none_is_asked_for(
    source: Postgres, mode: str | None
) -> None:
    assert answer(source.url, "SELECT 1", tls=mode) == 1


def test_without_a_word_a_server_of_a_private_network_is_encrypted_if_it_can(
    source: Postgres, stranger: Authority
) -> None:
    with _front(source, stranger.of_host(HOST)) as front:
        assert answer(source.url, "SELECT 1", port=front.port) == 1
        assert front.encrypted == 1


def test_a_client_shows_its_certificate(
    source: Postgres, authority: Authority, stranger: Authority
) -> None:
    client = authority.of_host("reader")
    with _front(source, stranger.of_host(HOST), clients=authority) as front:
        asked = {"port": front.port, "tls": "verify-full", "tls_ca": stranger.pem}
        mine = {"tls_certificate": certificate_of(client), "tls_key": key_of(client)}
        assert answer(source.url, "SELECT 1", **asked, **mine) == 1
        assert "wants a certificate that it knows" in _told(source.url, **asked)


def test_nothing_of_a_certificate_is_left_on_disk(
    source: Postgres, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = authority.of_host("reader")
    modes: list[tuple[int, int]] = []
    connect = tls_drivers.libpq_parameters

    @contextmanager
    def looked_at(*arguments: Any) -> Generator[Any]:
        with connect(*arguments) as parameters:
            key = Path(parameters["sslkey"])
            modes.append((key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777))
            yield parameters

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("shared.connectors.database.engine.libpq_parameters", looked_at)
    with _front(source, authority.of_host(HOST), clients=authority) as front:
        answer(
            source.url,
            "SELECT 1",
            port=front.port,
            tls_ca=authority.pem,
            tls_certificate=certificate_of(client),
            tls_key=key_of(client),
        )
    assert modes == [(0o600, 0o700)]
    assert list(tmp_path.iterdir()) == []
