"""A server that wants to shake hands again, amid what it sends, is answered and not waited for."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from OpenSSL import SSL

from shared.connectors.database.sqlserver import connect
from shared.connectors.database.tls import Tls
from shared.connectors.failures import source_failure
from shared.domain.fault import Fault
from shared.egress.lines import Lines
from tests.connectors.certificates import Authority, certificate_of, key_of
from tests.connectors.database.sqlserver.server.requests import prelogin_answer
from tests.connectors.database.sqlserver.server.wire import PRELOGIN, Wire
from tests.connectors.databases import PASSWORD
from tests.loopback import LOOPBACK

_ON = 1
_BYTES = 65_536
_PATIENCE_SECONDS = 20


@pytest.fixture
def context(tmp_path: Path) -> SSL.Context:
    """Return a server's side of TLS 1.2: the standard library has no way to shake hands again."""
    leaf = Authority().of_host("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(certificate_of(leaf))
    key.write_text(key_of(leaf))
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_max_proto_version(SSL.TLS1_2_VERSION)
    made.use_certificate_chain_file(str(chain))
    made.use_privatekey_file(str(key))
    return made


def _shake_hands(client: socket.socket, wire: Wire, tls: SSL.Connection) -> None:
    while True:
        try:
            tls.do_handshake()
        except SSL.WantReadError:
            _send_packets(wire, tls)
            tls.bio_write(wire.read_message()[1])
        else:
            _send_packets(wire, tls)
            tls.bio_write(client.recv(_BYTES))
            assert tls.recv(_BYTES)  # the login
            return


def _send_packets(wire: Wire, tls: SSL.Connection) -> None:
    try:
        wire.write_message(tls.bio_read(_BYTES), PRELOGIN)
    except SSL.WantReadError:
        return


def _shake_hands_again(client: socket.socket, tls: SSL.Connection) -> str:
    """Ask for it, and return what comes of it."""
    tls.renegotiate()
    tls.do_handshake()
    client.sendall(tls.bio_read(_BYTES))
    tls.bio_write(client.recv(_BYTES))
    try:
        tls.recv(_BYTES)
    except SSL.WantReadError:
        return "a handshake"
    except SSL.Error as error:
        return str(error)
    return "data"


@contextmanager
def _server(context: SSL.Context, told: list[str]) -> Iterator[int]:
    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.settimeout(_PATIENCE_SECONDS)
            wire, tls = Wire(client), SSL.Connection(context)
            wire.read_message()
            wire.write_message(prelogin_answer(_ON))
            tls.set_accept_state()
            _shake_hands(client, wire, tls)
            told.append(_shake_hands_again(client, tls))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def test_a_second_handshake_is_refused_at_once(context: SSL.Context) -> None:
    told: list[str] = []
    account = {"user": "reader", "password": PASSWORD, "database": "shop"}
    with _server(context, told) as port, pytest.raises(OSError, match="farewell") as raised:
        connect(LOOPBACK, Lines(), Tls(), host="127.0.0.1", port=port, **account)
    assert "no renegotiation" in told[0]
    assert source_failure(raised.value).fault == Fault.UNAVAILABLE  # pyright: ignore[reportAttributeAccessIssue]
