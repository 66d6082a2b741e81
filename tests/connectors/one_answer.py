"""A server on the loopback interface that answers one connection, well or badly, and is gone."""

import socket
import ssl
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SECONDS = 10.0
_NO_LINGER = struct.pack("ii", 1, 0)


def response(status: str, *headers: str, body: str = "") -> bytes:
    """Return a whole response; `status` is as in `404 Not Found`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", body]).encode()


@contextmanager
def one_answer(
    answer: bytes, *, holds: bool = False, resets: bool = False, tls: Path | None = None
) -> Generator[int]:
    """Yield the port of a server that sends `answer` to whatever it is asked, then hangs up.

    With `holds` it sends nothing more but hangs up only at the end; with `resets` it hangs up
    rudely; with `tls` it speaks TLS by the certificate and key in that file.
    """
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_SECONDS)

        def serve() -> None:
            # Whatever breaks here is what the client is to meet.
            with suppress(OSError), server.accept()[0] as plain:
                plain.settimeout(_SECONDS)
                with _spoken(plain, tls) as client:
                    client.recv(65_536)
                    client.sendall(answer)
                    if holds:
                        done.wait(_SECONDS)
                    if resets:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


def _spoken(plain: socket.socket, tls: Path | None) -> socket.socket:
    if tls is None:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls)
    return context.wrap_socket(plain, server_side=True)


def self_signed(file: Path) -> Path:
    """Write a certificate that nobody vouches for, with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    key_text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(key_text + certificate.public_bytes(serialization.Encoding.PEM))
    return file
